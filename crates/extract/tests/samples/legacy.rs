//! Documents in the container of Office 97, byte by byte.

use cfb::CompoundFile;
use std::io::{Cursor, Write};

/// A container with these streams.
pub fn container(streams: &[(&str, &[u8])]) -> Vec<u8> {
    let mut container = CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    for (name, bytes) in streams {
        container.create_stream(name).unwrap().write_all(bytes).unwrap();
    }
    container.flush().unwrap();
    container.into_inner().into_inner()
}

/// A record of a workbook.
fn record(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(data.len() as u16).to_le_bytes(), data].concat()
}

/// An XLS of one sheet; `password` where one is needed.
pub fn xls(password: bool) -> Vec<u8> {
    const GLOBALS: u16 = 0x0005;
    const SHEET: u16 = 0x0010;
    let begin = |kind: u16| {
        let words = [0x0600, kind, 0x0dbb, 0x07cc, 0, 0, 0, 6];
        record(0x0809, &words.iter().flat_map(|word: &u16| word.to_le_bytes()).collect::<Vec<u8>>())
    };
    let end = record(0x000a, &[]);
    let place = |row: u16, column: u16, format: u16| {
        [row, column, format].iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>()
    };
    let label = |row, column, text: &str| {
        let text = [&(text.len() as u16).to_le_bytes()[..], &[0], text.as_bytes()].concat();
        record(0x0204, &[place(row, column, 0), text].concat())
    };
    let number = |row, column, format, value: f64| {
        record(0x0203, &[place(row, column, format), value.to_le_bytes().to_vec()].concat())
    };
    let sheet = [
        begin(SHEET),
        label(0, 0, "Pier"),
        label(0, 1, "From"),
        label(0, 2, "Fee"),
        label(1, 0, "North"),
        number(1, 1, 1, 45413.0),
        number(1, 2, 0, 1234.5),
        end.clone(),
    ]
    .concat();
    let format = |number: u16| record(0x00e0, &[&[0, 0][..], &number.to_le_bytes(), &[0; 16]].concat());
    let filepass = if password { record(0x002f, &[1, 0, 1, 0, 1, 0]) } else { Vec::new() };
    let globals = |sheet_at: u32| {
        let name = [&sheet_at.to_le_bytes()[..], &[0, 0, 4, 0], b"Fees"].concat();
        [begin(GLOBALS), filepass.clone(), format(0), format(14), record(0x0085, &name), end.clone()].concat()
    };
    let globals = globals(globals(0).len() as u32);
    container(&[("Workbook", &[globals, sheet].concat())])
}

/// A DOC of some paragraphs.
pub fn doc(encrypted: bool) -> Vec<u8> {
    const TEXT_AT: u32 = 1024;
    let text: Vec<u16> = "Harbour fees rise.\rThey are due in Jün.\r".encode_utf16().collect();
    let mut stream = vec![0u8; TEXT_AT as usize];
    let mut put = |at: usize, bytes: &[u8]| stream[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &[0xec, 0xa5, 0xc1, 0x00]);
    // The second of two streams has the tables.
    put(10, &(0x0200u16 | if encrypted { 0x0100 } else { 0 }).to_le_bytes());
    put(32, &14u16.to_le_bytes());
    put(62, &22u16.to_le_bytes());
    put(76, &(text.len() as u32).to_le_bytes());
    put(152, &93u16.to_le_bytes());
    // One piece has all of the text.
    let mut pieces = vec![2];
    pieces.extend(16u32.to_le_bytes());
    pieces.extend(0u32.to_le_bytes());
    pieces.extend((text.len() as u32).to_le_bytes());
    pieces.extend([0, 0]);
    pieces.extend(TEXT_AT.to_le_bytes());
    pieces.extend([0, 0]);
    put(154 + 33 * 8, &0u32.to_le_bytes());
    put(154 + 33 * 8 + 4, &(pieces.len() as u32).to_le_bytes());
    stream.extend(text.iter().flat_map(|unit| unit.to_le_bytes()));
    container(&[("WordDocument", &stream), ("1Table", &pieces)])
}

/// A PPT of one slide.
pub fn ppt() -> Vec<u8> {
    let record = |version: u16, kind: u16, data: &[u8]| {
        [&version.to_le_bytes()[..], &kind.to_le_bytes(), &(data.len() as u32).to_le_bytes(), data].concat()
    };
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let text = |kind: u32, text: &str| {
        let units: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        [record(0, 0x0f9f, &words(&[kind])), record(0, 0x0fa0, &units)].concat()
    };
    let slide = record(0, 0x03f3, &words(&[2, 0, 2, 256, 0]));
    let list = record(0x000f, 0x0ff0, &[slide, text(0, "Who pays"), text(1, "Boats\rShips")].concat());
    let document = record(0x000f, 0x03e8, &list);
    let shown = record(0x000f, 0x03ee, &record(2, 0x03ef, &[0; 24]));
    let directory_at = (document.len() + shown.len()) as u32;
    let directory = record(0, 0x1772, &words(&[(2 << 20) | 1, 0, document.len() as u32]));
    let edit_at = directory_at + directory.len() as u32;
    let edit = record(0, 0x0ff5, &words(&[256, 0x0300_0000, 0, directory_at, 1, 3, 0]));
    let user = record(
        0,
        0x0ff6,
        &[words(&[20, 0xe391_c05f, edit_at]), vec![0, 0, 0xf4, 3, 3, 0, 0, 0, 8, 0, 0, 0]].concat(),
    );
    container(&[
        ("Current User", &user),
        ("PowerPoint Document", &[document, shown, directory, edit].concat()),
    ])
}
