//! Mail, pictures, sound, films, subtitles, source code and archives: what
//! they give, and that none of them takes more than it may.
#![allow(clippy::unwrap_used)]

mod made;

use made::{data, drawing, film, gzip, mail, outlook, photo, song, tar, zip};
use ragstream_extract::{
    DocumentText, ExtractError, HEAD_BYTES, Limits, Markup, content_type, detect, extract_named,
};
use std::fs;

fn read_within(name: &str, bytes: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("document");
    fs::write(&path, bytes).unwrap();
    let outcome = extract_named(detect(name, &bytes[..bytes.len().min(HEAD_BYTES)])?, &path, name, limits);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{name} left files behind");
    outcome
}

fn read(name: &str, bytes: &[u8]) -> Result<DocumentText, ExtractError> {
    read_within(name, bytes, &Limits::default())
}

fn headings(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with('#')).collect()
}

#[test]
fn every_sample_is_read_and_says_by_what() {
    for (name, bytes) in made::all() {
        match read(name, &bytes) {
            Ok(text) => {
                assert!(!text.text.trim().is_empty(), "{name}");
                assert!(text.extractor.contains('/'), "{name}: {}", text.extractor);
            }
            // Where Tesseract is installed there is no text in it either.
            Err(error) => {
                assert!(name.starts_with("scan"), "{name}: {error}");
                assert!(["needs_ocr", "empty_document"].contains(&error.class()), "{error}");
            }
        }
    }
}

#[test]
fn a_mail_gives_its_header_its_text_and_what_is_attached() {
    let inner = mail("The one inside", &[]);
    let bytes = mail(
        "=?utf-8?q?Harbour_fees_=E2=82=AC?=",
        &[
            ("report.pdf", &data("three_pages.pdf")),
            ("inner.eml", &inner),
            ("tool.exe", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff"),
        ],
    );
    let text = read("letter.eml", &bytes).unwrap();
    assert!(
        text.text.starts_with(
            "# Harbour fees €\n\nFrom: Ada Lovelace <ada@example.org>\nTo: Bob <bob@example.org>, carol@example.org\n\
             Cc: Dan <dan@example.org>\nDate: Fri, 16 Dec 2022 17:04:16 -0500\n\nThe grüße\n\\# no heading\n\n\
             Attachments:\n\n- report.pdf ("
        ),
        "{}",
        text.text
    );
    assert!(text.text.contains("- tool.exe (14 bytes): not read, the file is "), "{}", text.text);
    assert_eq!(
        headings(&text.text),
        ["# Harbour fees €", "## report.pdf", "## inner.eml", "### The one inside"]
    );
    assert!(text.text.contains("Harbour fees rose in May."));
    assert!(!text.text.contains("in HTML"), "one of the alternatives is enough: {}", text.text);
    assert_eq!((text.title.as_deref(), text.markup), (Some("Harbour fees €"), Markup::Markdown));
    assert_eq!(text.metadata["from"][0], "Ada Lovelace <ada@example.org>");
    assert_eq!(text.metadata["date"], "2022-12-16T17:04:16-05:00");
    assert_eq!((&text.metadata["files"], &text.metadata["files_read"]), (&3.into(), &2.into()));
    assert!(text.metadata["extractors"].as_array().unwrap().contains(&"pdf-extract-0.12/2".into()));
}

#[test]
fn a_mail_in_html_alone_becomes_markdown() {
    let bytes = b"Subject: x\nFrom: a@b\nContent-Type: text/html\n\n<h1>Big</h1><p>Some <b>bold</b> words";
    assert_eq!(read("a.eml", bytes).unwrap().text, "# x\n\nFrom: a@b\n\n## Big\n\nSome **bold** words\n");
}

#[test]
fn mails_in_mails_without_end_come_to_one() {
    let deep = b"Content-Type: message/rfc822\n\n".repeat(50_000);
    let error = read("deep.eml", &[&b"Subject: x\nFrom: a@b\n"[..], &deep].concat());
    // The one on top has a subject, which is its text; what is too deep is listed.
    assert!(error.unwrap().text.contains("nested more than 4 deep"));
}

/// Each file of a container: its path, and the part of the text that its span names.
fn contents(text: &DocumentText) -> Vec<(String, Option<&str>)> {
    let entries = text.metadata["contents"].as_array().unwrap();
    let part = |entry: &serde_json::Value| {
        let [begin, end] = serde_json::from_value::<[usize; 2]>(entry.get("span")?.clone()).unwrap();
        Some(&text.text[begin..end])
    };
    entries.iter().map(|entry| (entry["path"].as_str().unwrap().to_owned(), part(entry))).collect()
}

#[test]
fn what_a_container_holds_is_listed_with_its_place() {
    let deepest = zip(&[("notes/a.md", b"Setext\n===\n\nalpha"), ("b.txt", b"beta")]);
    let inner = zip(&[("deep.zip", &deepest), ("c.md", b"# Gamma\n\n## delta\n\nwords")]);
    let members: &[(&str, &[u8])] = &[
        ("first.txt", b"# no heading\nfirst words"),
        ("inner.zip", &inner),
        ("report.pdf", &data("three_pages.pdf")),
        ("tool.exe", b"MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff"),
        ("empty.txt", b""),
        ("locked.pdf", &data("encrypted.pdf")),
    ];
    for (name, bytes, below) in [
        ("a.zip", zip(members), ""),
        ("a.tar", tar(members), ""),
        ("a.tgz", gzip(&tar(members)), ""),
        ("a.eml", mail("Fees", members), "#"),
        ("a.mbox", [&b"From a\n"[..], &mail("Fees", members)].concat(), "#"),
    ] {
        let text = read(name, &bytes).unwrap();
        let mut listed = contents(&text);
        let mut under = String::new();
        if name == "a.mbox" {
            assert_eq!(listed.remove(0), ("Message 1".to_owned(), Some(text.text.as_str())));
            under = "Message 1/".to_owned();
        }
        let paths: Vec<&str> = listed.iter().map(|(path, _)| path.strip_prefix(&under).unwrap()).collect();
        assert_eq!(
            paths,
            [
                "first.txt",
                "inner.zip",
                "inner.zip/deep.zip",
                "inner.zip/deep.zip/notes/a.md",
                "inner.zip/deep.zip/b.txt",
                "inner.zip/c.md",
                "report.pdf",
                "tool.exe",
                "empty.txt",
                "locked.pdf"
            ],
            "{name}"
        );
        let part = |at: usize| listed[at].1.unwrap();
        assert_eq!(part(0), format!("{below}# first.txt\n\n\\# no heading\nfirst words"), "{name}");
        assert!(
            part(1).starts_with(&format!("{below}# inner.zip\n\n")) && part(1).ends_with("words"),
            "{name}"
        );
        assert!(part(2).ends_with("beta"), "{name}: {}", part(2));
        assert_eq!(part(3), format!("{below}### notes/a.md\n\n{below}#### Setext\n\nalpha"), "{name}");
        assert_eq!(part(4), format!("{below}### b.txt\n\nbeta"), "{name}");
        assert_eq!(part(5), format!("{below}## c.md\n\n{below}### Gamma\n\n{below}#### delta\n\nwords"));
        assert!(part(6).ends_with("The lighthouse was repainted."), "{name}");
        let entry = |at: usize| &text.metadata["contents"][at + usize::from(name == "a.mbox")];
        assert_eq!((&entry(6)["pages"], &entry(6)["title"]), (&3.into(), &"A small report".into()));
        assert_eq!(entry(6)["content_type"], "application/pdf");
        assert_eq!(entry(0)["size_bytes"], 24, "{name}");
        assert_eq!(entry(7)["failure"]["class"], "unsupported_format");
        assert_eq!(entry(8)["failure"]["class"], "empty_document");
        assert_eq!(entry(9)["failure"]["class"], "encrypted_document");
        assert!(entry(9)["failure"]["message"].as_str().unwrap().contains("encrypted"));
        assert_eq!(text.metadata["contents_total"], 10 + u64::from(name == "a.mbox"));
    }
}

#[test]
fn a_mailbox_gives_message_by_message() {
    let text = read("inbox.mbox", made::MAILBOX.as_bytes()).unwrap();
    assert_eq!(
        text.text,
        "# One\n\nFrom: ada@example.org\n\nFirst.\nFrom here on it is quoted.\nFrom nowhere: this is a line of the text.\n\n\
         # Message 2\n\nFrom: bob@example.org\n\nSecond.\n\n"
    );
    assert_eq!(text.metadata["messages"], 2);
    assert_eq!(read("inbox.mbox", b"no mailbox").unwrap_err().class(), "corrupt_document");
}

#[test]
fn a_message_of_outlook_gives_the_same() {
    let text = read("letter.msg", &outlook()).unwrap();
    assert_eq!(
        text.text,
        "# Harbour fees\n\nFrom: Ada Lovelace <ada@example.org>\nTo: Bob <bob@example.org>\n\
         Date: Fri, 1 May 2026 12:00:00 +0000\n\nThey rise in May.\n\\# no heading\n\n\
         Attachments:\n\n- tides.md (23 bytes)\n- message-2.msg\n\n## tides.md\n\n### Tides\n\nHigh at noon.\n\n\
         ## message-2.msg\n\n### The one inside\n\nFrom: Ada Lovelace <ada@example.org>\n\nThey rise in May.\n\\# no heading\n"
    );
    assert_eq!(text.metadata["date"], "2026-05-01T12:00:00Z");
    let mut other = cfb::CompoundFile::create(std::io::Cursor::new(Vec::new())).unwrap();
    other.flush().unwrap();
    assert_eq!(read("a.msg", &other.into_inner().into_inner()).unwrap_err().class(), "unsupported_format");
}

#[test]
fn pictures_give_what_they_say_of_themselves() {
    let text = read("photo.jpg", &photo()).unwrap();
    assert_eq!(
        text.text,
        "Description: A lighthouse\nDate: 2024:05:01 12:00:00\nCamera: Kodak\nSize: 640x480\nType: image/jpeg\n"
    );
    assert_eq!((&text.metadata["camera"], &text.metadata["size"]), (&"Kodak".into(), &"640x480".into()));
    let text = read("drawing.png", &drawing(&[("Title", "A chart"), ("Software", "x")])).unwrap();
    assert_eq!(text.title.as_deref(), Some("A chart"));
    let nothing_said = read("drawing.png", &drawing(&[("Software", "x")])).unwrap_err();
    assert!(["needs_ocr", "empty_document"].contains(&nothing_said.class()), "{nothing_said}");
    assert_eq!(read("a.png", b"\x89PNG\r\n\x1a\nno picture\0\0").unwrap_err().class(), "corrupt_document");
}

#[test]
fn sound_and_films_give_what_they_say_of_themselves() {
    let text = read("song.mp3", &song()).unwrap();
    assert_eq!(
        text.text,
        "Title: Sea shanty\nArtist: The crew\nDuration: 00:00:02\nType: audio/mpeg\n\
         Audio: MPEG audio, 44100 Hz, 2 channels, 128 kbit/s\n\nChapters:\n[00:00:05] Refrain\n"
    );
    let text = read("film.mp4", &film()).unwrap();
    assert_eq!(text.text, "Duration: 00:01:05\nType: video/mp4\nVideo: H.264, 640x480\n");
    for (name, bytes) in [
        ("a.mp4", &b"\0\0\0\x18ftypisom\0\0\0\0"[..]),
        ("a.mkv", b"\x1a\x45\xdf\xa3\x80"),
        ("a.mp3", b"ID3\x04\0\0"),
    ] {
        assert_eq!(read(name, bytes).unwrap_err().class(), "corrupt_document", "{name}");
    }
}

#[test]
fn media_types_are_those_of_the_bytes() {
    for (name, bytes, wanted) in [
        ("a", photo(), "image/jpeg"),
        ("a", drawing(&[]), "image/png"),
        ("a", song(), "audio/mpeg"),
        ("a", film(), "video/mp4"),
        ("a.eml", b"x: y".to_vec(), "message/rfc822"),
        ("a.zip", zip(&[]), "application/zip"),
    ] {
        assert_eq!(content_type(detect(name, &bytes).unwrap(), &bytes), wanted);
    }
}

#[test]
fn an_archive_is_a_list_and_a_section_a_document() {
    let code = b"# a comment\nprint(1)\n";
    let members: [(&str, &[u8]); 5] = [
        ("docs/read me.md", b"Title\n=====\n\ntext\n\n```\nnever closed"),
        ("run.py", code),
        ("plain.txt", b"# no heading\n"),
        ("tool.bin", b"\x01\x02\x03\x04\x05\x90"),
        ("empty.txt", b""),
    ];
    for (name, bytes) in
        [("a.zip", zip(&members)), ("a.tar", tar(&members)), ("a.tar.gz", gzip(&tar(&members)))]
    {
        let text = read(name, &bytes).unwrap();
        assert!(
            text.text.starts_with(
                "Archive of 5 files:\n\n- docs/read me.md (35 bytes)\n- run.py (21 bytes)\n- plain.txt (13 bytes)\n\
                 - tool.bin (6 bytes): not read, the file is binary data of no known format\n- empty.txt (0 bytes): empty\n\n\
                 # docs/read me.md\n\n"
            ),
            "{name}: {}",
            text.text
        );
        assert!(text.text.contains("```\nnever closed\n``````````\n\n# run.py"), "{name}: {}", text.text);
        assert!(
            text.text.contains("# run.py\n\n```python\n# a comment\nprint(1)\n```"),
            "{name}: {}",
            text.text
        );
        assert!(text.text.ends_with("# plain.txt\n\n\\# no heading\n"), "{name}: {}", text.text);
        assert_eq!(text.markup, Markup::Markdown);
        assert_eq!((&text.metadata["files"], &text.metadata["files_read"]), (&5.into(), &3.into()));
    }
    let text = read("archive.7z", &data("archive.7z")).unwrap();
    assert_eq!(headings(&text.text), ["# notes/tides.md", "## Tides", "# plain.txt"]);
    assert!(text.text.contains("- empty.txt (0 bytes): empty"), "{}", text.text);
}

#[test]
fn one_packed_file_is_that_file() {
    let text = read("notes.md.gz", &gzip(b"# Notes\n\ntext")).unwrap();
    assert_eq!((text.text.as_str(), text.title.as_deref()), ("# Notes\n\ntext", Some("Notes")));
    assert_eq!(text.extractor, "gzip+markdown/1");
    assert_eq!(read("a.gz", &gzip(b"")).unwrap_err(), ExtractError::Empty);
    assert_eq!(read("a.gz", &gzip(b"\x01\x02\x03\x90")).unwrap_err().class(), "unsupported_format");
    let cut = gzip(b"# Notes\n\ntext");
    assert_eq!(read("a.md.gz", &cut[..cut.len() / 2]).unwrap_err().class(), "corrupt_document");
}

#[test]
fn an_archive_of_which_nothing_can_be_read_says_why() {
    let tool = b"\x01\x02\x03\x04\x05\x90";
    for (name, bytes, class) in [
        ("a.zip", zip(&[]), "empty_document"),
        ("a.zip", zip(&[("a.bin", tool)]), "unsupported_format"),
        ("a.zip", zip(&[("a.bin", tool), ("b.pdf", b"%PDF-1.4 and no more")]), "unsupported_format"),
        ("a.zip", b"PK\x03\x04 and no more".to_vec(), "corrupt_document"),
        ("a.tar", tar(&[("x", b"y")])[..300].to_vec(), "corrupt_document"),
        ("a.7z", b"7z\xbc\xaf\x27\x1c\0\x04nothing".to_vec(), "corrupt_document"),
        ("a.7z", data("encrypted.7z"), "encrypted_document"),
        ("a.7z", data("encrypted_list.7z"), "encrypted_document"),
    ] {
        let error = read(name, &bytes).unwrap_err();
        assert_eq!(error.class(), class, "{name}: {error}");
    }
    // The flag of each header says so.
    let mut encrypted = zip(&[("a.txt", b"a secret")]);
    for (signature, flags) in [(b"PK\x03\x04", 6), (b"PK\x01\x02", 8)] {
        let at = encrypted.windows(4).position(|bytes| bytes == signature).unwrap();
        encrypted[at + flags] |= 1;
    }
    assert_eq!(read("a.zip", &encrypted).unwrap_err(), ExtractError::Encrypted);
}

#[test]
fn names_in_archives_are_only_names() {
    let members: [(&str, &[u8]); 3] =
        [("../../etc/cron.d/evil", b"text"), ("/tmp/absolute.txt", b"text"), ("a/../../b.txt", b"text")];
    for (name, bytes) in [("a.zip", zip(&members)), ("a.tar", tar(&members))] {
        let text = read(name, &bytes).unwrap();
        assert_eq!(
            headings(&text.text),
            ["# ../../etc/cron.d/evil", "# /tmp/absolute.txt", "# a/../../b.txt"]
        );
    }
    assert!(!std::path::Path::new("/tmp/absolute.txt").exists());
}

fn nested(depth: usize, pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    (0..depth).fold(b"the kernel".to_vec(), |bytes, _| pack(&bytes))
}

#[test]
fn nesting_has_a_limit() {
    let zipped = |bytes: &[u8]| match bytes.starts_with(b"PK") {
        true => zip(&[("inner.zip", bytes)]),
        false => zip(&[("inner.txt", bytes)]),
    };
    let text = read("a.zip", &nested(4, zipped)).unwrap();
    assert!(text.text.contains("the kernel"), "{}", text.text);
    for (name, bytes) in
        [("a.zip", nested(5, zipped)), ("a.gz", nested(5, gzip)), ("a.gz", nested(200, gzip))]
    {
        let error = read(name, &bytes).unwrap_err();
        assert_eq!(error.class(), "document_too_large", "{error}");
        assert!(error.to_string().contains("nested more than 4 deep"), "{error}");
    }
    assert!(read("a.txt.gz", &nested(4, gzip)).unwrap().text.contains("the kernel"));
}

#[test]
fn what_comes_out_has_a_limit() {
    let zeros = vec![b'0'; 80 << 20];
    let packed = gzip(&zeros);
    for (name, bytes) in [
        ("a.zip", zip(&[("zeros.txt", &zeros)])),
        ("a.txt.gz", packed.clone()),
        ("a.tar.gz", gzip(&tar(&[("zeros.txt", &zeros)]))),
        ("a.7z", data("bomb.7z")),
        ("a.zip", zip(&[("inner.txt.gz", &packed), ("note.txt", b"")])),
    ] {
        assert!(bytes.len() < 1 << 20, "{name} is a bomb");
        let error = read(name, &bytes).unwrap_err();
        assert_eq!(error.class(), "document_too_large", "{name}: {error}");
        assert!(error.to_string().contains("more than"), "{error}");
    }
    // All members of all archives together.
    let some = vec![b'x'; 400_000];
    let half = zip(&[("a.txt", &some), ("b.txt", &some)]);
    let both = zip(&[("one.zip", &half), ("two.zip", &half)]);
    let limits = |unpacked_bytes| Limits { unpacked_bytes, ..Limits::default() };
    assert!(read_within("a.zip", &both, &limits(3_000_000)).is_ok());
    assert_eq!(read_within("a.zip", &both, &limits(1_000_000)).unwrap_err().class(), "document_too_large");
    // A member that is too large is listed, and the others are read.
    let mixed = zip(&[("large.txt", &some), ("small.txt", b"small")]);
    let text = read_within("a.zip", &mixed, &Limits { input_bytes: 100_000, ..Limits::default() }).unwrap();
    assert!(text.text.contains("- large.txt (400000 bytes): not read, "), "{}", text.text);
    assert!(text.text.contains("small"));
}

#[test]
fn files_have_a_limit_wherever_they_are() {
    let limits = Limits { contained_files: 20, ..Limits::default() };
    let many: Vec<String> = (0..21).map(|n| format!("{n}.txt")).collect();
    let members = |count: usize| -> Vec<(&str, &[u8])> {
        many[..count].iter().map(|name| (&**name, &b"x"[..])).collect()
    };
    assert!(read_within("a.zip", &zip(&members(20)), &limits).is_ok());
    let inner = zip(&members(15));
    for (name, bytes) in [
        ("a.zip", zip(&members(21))),
        ("a.tar", tar(&members(21))),
        ("a.zip", zip(&[("a.zip", &inner), ("b.zip", &inner)])),
        ("a.eml", mail("x", &members(21))),
    ] {
        let error = read_within(name, &bytes, &limits).unwrap_err();
        assert!(error.to_string().contains("more than 20 files"), "{name}: {error}");
    }
}

#[test]
fn sizes_that_are_only_claimed_cost_nothing() {
    let mut claimed = zip(&[("a.txt", b"a text")]);
    let at = claimed.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
    claimed[at + 24..at + 28].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(
        read("a.zip", &claimed).is_err_and(|e| e.class() == "corrupt_document")
            || read("a.zip", &claimed).is_ok()
    );

    let mut header = tar::Header::new_gnu();
    header.set_path("huge.txt").unwrap();
    header.set_size(1 << 40);
    header.set_cksum();
    let text = read("a.tar", &[header.as_bytes(), &b"but it is small"[..]].concat()).unwrap();
    assert!(text.text.contains("but it is small") && text.metadata["damaged"] == true, "{}", text.text);

    // A sparse file of a terabyte that holds nothing.
    let mut header = tar::Header::new_gnu();
    header.set_path("holes.txt").unwrap();
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(0);
    let gnu = header.as_gnu_mut().unwrap();
    // In base 256, as sizes of more than eight gigabytes are.
    let terabyte = b"\x80\0\0\0\0\0\x01\0\0\0\0\0";
    gnu.realsize.copy_from_slice(terabyte);
    gnu.sparse[0].offset.copy_from_slice(terabyte);
    gnu.sparse[0].numbytes.copy_from_slice(b"00000000000\0");
    header.set_cksum();
    assert_eq!(read("a.tar", header.as_bytes()).unwrap_err().class(), "document_too_large");
}

#[test]
fn a_damaged_archive_gives_what_comes_before_the_damage() {
    let whole = tar(&[("a.txt", b"a text"), ("b.txt", b"another")]);
    let text = read("a.tar", &whole[..1024 + 100]).unwrap();
    assert!(text.text.contains("a text") && text.metadata["damaged"] == true, "{}", text.text);
}
