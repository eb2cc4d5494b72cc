//! Documents to upload.

/// A document of about so many chunks. Each has the word `storm` and all of `name`.
pub fn document(name: &str, chunks: usize) -> String {
    // About 110 tokens: two of these fit into no chunk together with their headings.
    let part = |i: usize| {
        let sentences = (0..6).map(|j| {
            format!(
                "In the storm of {name} the keeper of station {i} wrote down {} millimetres of rain at hour {j}. ",
                (i * 31 + j * 7) % 97
            )
        });
        format!("## Station {i} of {name}\n\n{}\n\n", sentences.collect::<String>())
    };
    (0..chunks.max(1)).map(part).collect()
}
