//! Documents of offices and data, small ones of our own: what is in them comes
//! out as what it is.
#![allow(clippy::unwrap_used)]

mod samples;

use ragstream_extract::{DocumentText, ExtractError, HEAD_BYTES, Limits, Markup, PageStart, detect, extract};
use samples::{Members, legacy, zip};
use std::fs;

fn read_within(name: &str, bytes: &[u8], limits: &Limits) -> Result<DocumentText, ExtractError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    fs::write(&path, bytes).unwrap();
    extract(detect(name, &bytes[..bytes.len().min(HEAD_BYTES)])?, &path, limits)
}

fn read(name: &str, bytes: &[u8]) -> Result<DocumentText, ExtractError> {
    read_within(name, bytes, &Limits::default())
}

fn changed(mut members: Members, name: &str, change: impl FnOnce(String) -> String) -> Vec<u8> {
    let member = members.iter_mut().find(|(known, _)| known == name).unwrap();
    member.1 = change(String::from_utf8(member.1.clone()).unwrap()).into_bytes();
    zip(&members)
}

#[test]
fn a_docx_is_all_there_once() {
    let text = read("a.docx", &zip(&samples::docx())).unwrap();
    assert_eq!(
        text.text,
        "Port of X, page\n\n# Harbour fees\n\n## 1 Fees rise\n\n\
         International fees rise[^1], see [the table](https://h.example/a).\nNew line\n\n\
         [^1]: Since May.\n\n> Comment (Bob): Really?\n\n### How much\n\n\
         - Boats\n  - (a) small\n  - (b) large\n- Ships\n\n\
         | Pier | Boat | Fee |\n| - | - | - |\n| North | small | 3 \\| 4 |\n| North | large | 12 |\n\n\
         Image: A pier at noon\n\nIn a box\n\n[a field](https://h.example/b)\n\n## 2 Chart\n\n\
         Chart: Fees by year\n\n|  | North |\n| - | - |\n| 2023 | 10 |\n| 2024 | 12 |\n\n\\# The end\n\nConfidential"
    );
    assert_eq!((text.markup, text.title.as_deref()), (Markup::Markdown, Some("Harbour fees")));
    assert_eq!(
        (&text.metadata["author"], &text.metadata["created"]),
        (&"Ada".into(), &"2024-05-01T06:00:00Z".into())
    );
    let second = text.text.find("Chart: Fees").unwrap() as u64;
    assert_eq!(text.pages[1], PageStart { page: 2, byte_offset: second });
}

#[test]
fn slides_are_pages() {
    let text = read("a.pptx", &zip(&samples::pptx())).unwrap();
    assert_eq!(
        text.text,
        "## Who pays\n\nA box\n\n- Boats\n  - small\n- Ships\n\nImage: A pier\n\nNotes: Say it slowly.\n\n> Comment (Bob): Really?\n\n\
         ## Slide 2\n\n| Boat | Fee |\n| - | - |\n| small | 3 |\n\nChart: Fees by year\n\n|  | North |\n| - | - |\n| 2023 | 10 |\n| 2024 | 12 |"
    );
    let second = text.text.find("## Slide 2").unwrap() as u64;
    assert_eq!(
        text.pages,
        [PageStart { page: 1, byte_offset: 0 }, PageStart { page: 2, byte_offset: second }]
    );
    assert_eq!((text.title.as_deref(), &text.metadata["slides"]), (Some("A small report"), &2.into()));
    let text = read("a.odp", &zip(&samples::odp())).unwrap();
    assert_eq!(text.text, "## Who pays\n\n- Boats\n\nNotes: Say it slowly.\n\n## Slide 2\n\nA shape");
    assert_eq!((text.pages.len(), &text.metadata["slides"]), (2, &2.into()));
}

#[test]
fn sheets_are_as_a_person_sees_them() {
    let text = read("a.xlsx", &zip(&samples::xlsx())).unwrap();
    assert_eq!(
        text.text,
        "## Fees\n\nHarbour fees\n\n| Pier | From | Fee |\n| - | - | - |\n| North | 2024-05-01 | EUR 1,234.50 |\n\
         | South | 2024-05-02 06:00:00 | 0.3 |\n\n| Pier | Fee |\n| - | - |\n| West | TRUE |\n\n\
         > Comment on C4: Really?\n\nLink in A4: https://h.example/a\n\nPort of X\nPage"
    );
    assert_eq!(
        (&text.metadata["sheets"], text.metadata["sheet_names"][1].as_str()),
        (&2.into(), Some("Empty"))
    );
    let text = read("a.ods", &zip(&samples::ods())).unwrap();
    assert_eq!(
        text.text,
        "## Fees\n\n| Pier | From | Fee |\n| - | - | - |\n| North | 2024-05-01 | 1.234,50 € |\n\n> Comment on C2: Really?"
    );
    let text = read("a.xls", &legacy::xls(false)).unwrap();
    assert_eq!(text.text, "## Fees\n\n| Pier | From | Fee |\n| - | - | - |\n| North | 2024-05-01 | 1234.5 |");
}

#[test]
fn cells_far_out_are_cells() {
    let far = changed(samples::xlsx(), "xl/worksheets/sheet2.xml", |xml| {
        xml.replace("<sheetData/>", "<sheetData><row r='9'><c r='B9'><v>1</v></c></row><row r='1048576'><c r='XFD1048576'><v>2</v></c></row></sheetData>")
    });
    let text = read("a.xlsx", &far).unwrap().text;
    assert!(text.contains("## Empty\n\n1\n\n2"), "{text}");
    // Repeated for ever, written a hundred times.
    let row = "<table:table-row table:number-rows-repeated='1048576'><table:table-cell table:number-columns-repeated='2147483647'><text:p>x</text:p></table:table-cell></table:table-row>";
    let ods = changed(samples::ods(), "content.xml", |xml| {
        xml.replace("<table:table-row><table:table-cell/></table:table-row>", row)
    });
    let text = read("a.ods", &ods).unwrap().text;
    assert_eq!(text.split_whitespace().filter(|word| *word == "x").count(), 100 * 100);
    let wide: Vec<String> = (0..20_000).map(|column| format!("v{column}")).collect();
    let csv = format!("{}\n{0}\n", wide.join(","));
    let text = read("a.csv", csv.as_bytes()).unwrap().text;
    assert!(text.contains("v19999"));
    assert!(text.len() < 4 * csv.len(), "{}", text.len());
}

#[test]
fn an_odt_is_all_there_once() {
    let whole = "Port of X,\n\n# Harbour fees\n\n## Fees rise\n\n\
        International  fees rise[^1], see [the table](https://h.example/a).\nNew line\n\n[^1]: Since May.\n\n> Comment (Bob): Really?\n\n\
        - Boats\n  - a. small\n  - b. large\n- Ships\n\n| Boat | Fee |\n| - | - |\n| small | 3 |\n\nLast\n\nIn a box\n\nImage: A pier at noon\n\nConfidential";
    let text = read("a.odt", &zip(&samples::odt())).unwrap();
    assert_eq!(text.text, whole);
    assert_eq!((text.title.as_deref(), &text.metadata["pages"]), (Some("Harbour fees"), &2.into()));
    assert_eq!(&text.metadata["author"], "Ada");
    // The same in one file of XML.
    let part = |name: &str| {
        let members = samples::odt();
        let (_, bytes) = members.iter().find(|(known, _)| known == name).unwrap();
        let xml = String::from_utf8(bytes.clone()).unwrap();
        let inner = xml.split_once('>').unwrap().1.rsplit_once("</").unwrap().0.to_owned();
        (xml.split_once(' ').unwrap().1.split_once('>').unwrap().0.to_owned(), inner)
    };
    let (names, meta) = part("meta.xml");
    let flat = format!(
        "<?xml version='1.0'?><office:document {names} office:mimetype='application/vnd.oasis.opendocument.text'>{meta}{}{}</office:document>",
        part("styles.xml").1,
        part("content.xml").1
    );
    assert_eq!(read("a.fodt", flat.as_bytes()).unwrap().text, whole);
}

#[test]
fn a_book_is_in_the_order_of_its_chapters() {
    let text = read("a.epub", &zip(&samples::epub())).unwrap();
    assert_eq!(text.text, "## First of all\n\nHigh water.\n\n# Second\n\nLow water é.");
    assert_eq!((text.title.as_deref(), &text.metadata["author"]), (Some("Tides"), &"Ada".into()));
    assert_eq!((&text.metadata["chapters"], &text.metadata["language"]), (&2.into(), &"en".into()));
}

#[test]
fn an_rtf_is_all_there_once() {
    let text = read("a.rtf", samples::RTF.as_bytes()).unwrap();
    assert_eq!(
        text.text,
        "# Fees rise\n\nInternational fees rise[^1], see [the table](https://h.example/a).\nNew line €😀€\n\n\
         [^1]: Since May.\n\n> Comment (Bob): Really?\n\nПривет 言語new\n\n- Boats\n1) Ships\n\n\
         | Boat | Fee |\n| - | - |\n| small boat | 3 |\n\nLast {brace}\n\nIn a box\n\nPort of X\n\nConfidential"
    );
    assert_eq!((text.title.as_deref(), &text.metadata["author"]), (Some("Harbour fees"), &"Adà".into()));
    assert_eq!(text.metadata["created"], "2024-05-01T06:00:00");
}

#[test]
fn old_documents_are_read() {
    assert_eq!(
        read("a.doc", &legacy::doc(false)).unwrap().text,
        "Harbour fees rise.\n\nThey are due in Jün."
    );
    let text = read("a.ppt", &legacy::ppt()).unwrap();
    assert_eq!(text.text, "## Who pays\n\nBoats\n\nShips");
    assert_eq!((text.pages.len(), &text.metadata["slides"]), (1, &1.into()));
}

#[test]
fn data_has_its_names() {
    let expected = [
        "| Pier | From | Fee |\n| - | - | - |\n| North; East | 2024-05-01 | 3 |\n| South | 2024-05-02 | 4 |",
        "| Pier | Fee |\n| - | - |\n| North | 3 |",
        "port: X\n\nfees[0].pier: North\nfees[0].fee: 3.5\n\nfees[1].pier: South\nfees[1].tags: a, b",
        "pier: North\n\npier: South",
        "port: X\n\nfees[0].pier: North\nfees[0].fee: 3\n\nfees[1].pier: South",
        "port: X\n\nfees[0].pier: North\nfees[0].fee: 3",
        "# North\n\nsum: 3\n\n# South\n\nFour or five",
    ];
    for ((name, text), expected) in samples::TEXTS.iter().zip(expected) {
        assert_eq!(read(name, text.as_bytes()).unwrap().text, expected, "{name}");
    }
}

#[test]
fn a_wrong_name_changes_nothing() {
    let documents = [
        ("docx", zip(&samples::docx())),
        ("pptx", zip(&samples::pptx())),
        ("xlsx", zip(&samples::xlsx())),
        ("odt", zip(&samples::odt())),
        ("ods", zip(&samples::ods())),
        ("odp", zip(&samples::odp())),
        ("epub", zip(&samples::epub())),
        ("xls", legacy::xls(false)),
        ("doc", legacy::doc(false)),
        ("ppt", legacy::ppt()),
        ("rtf", samples::RTF.as_bytes().to_vec()),
    ];
    for (extension, bytes) in &documents {
        let right = read(&format!("a.{extension}"), bytes).unwrap();
        for name in ["a.docx", "a.xls", "a.odp", "a.epub", "a.txt", "a.pdf", "noname"] {
            assert_eq!(read(name, bytes).unwrap(), right, "{extension} named {name}");
        }
    }
}

#[test]
fn a_document_inside_of_a_document_is_read() {
    let inner = zip(&samples::docx_of("<w:p><w:r><w:t>Deep inside</w:t></w:r></w:p>", &[]));
    let mut bytes = inner;
    for _ in 0..20 {
        let mut members = samples::docx_of(
            "<w:p><w:r><w:t>Around</w:t></w:r></w:p>",
            &[("rId5", "package", "embeddings/inner.docx", "")],
        );
        members.iter_mut().find(|(name, _)| name.ends_with("inner.docx")).unwrap().1 = bytes;
        bytes = zip(&members);
        let text = read("a.docx", &bytes).unwrap();
        let around = text.text.matches("Around").count();
        // Eight deep, and no deeper.
        assert_eq!(text.text.contains("Deep inside"), around <= 8, "{around}");
        assert!(around <= 9);
    }
    let wrapped = legacy::container(&[("Package", &zip(&samples::pptx()))]);
    let mut members = samples::docx_of("", &[("rId5", "oleObject", "embeddings/o.bin", "")]);
    members.iter_mut().find(|(name, _)| name.ends_with("o.bin")).unwrap().1 = wrapped;
    let text = read("a.docx", &zip(&members)).unwrap();
    assert!(text.text.starts_with("## Embedded: Package\n\n### Who pays"), "{}", text.text);
    assert_eq!(text.metadata["embedded"][0], "Package");
}

#[test]
fn what_needs_a_password_says_so() {
    let encrypted = [
        ("a.docx", legacy::container(&[("EncryptionInfo", b"x"), ("EncryptedPackage", b"x")])),
        ("a.xls", legacy::xls(true)),
        ("a.doc", legacy::doc(true)),
        (
            "a.odt",
            changed(samples::odt(), "META-INF/manifest.xml", |_| {
                "<m:manifest xmlns:m='m'><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>"
                    .to_owned()
            }),
        ),
    ];
    for (name, bytes) in encrypted {
        assert_eq!(read(name, &bytes), Err(ExtractError::Encrypted), "{name}");
    }
    let mut book = samples::epub();
    let protected = |way: &str, part: &str| {
        format!(
            "<encryption><EncryptedData><EncryptionMethod Algorithm='{way}'/><CipherData><CipherReference URI='{part}'/></CipherData></EncryptedData></encryption>"
        )
    };
    book.push((
        "META-INF/encryption.xml".to_owned(),
        protected("http://www.w3.org/2001/04/xmlenc#aes128-cbc", "OEBPS/text/b.xhtml").into_bytes(),
    ));
    assert_eq!(read("a.epub", &zip(&book)), Err(ExtractError::Encrypted));
    // Fonts may be made unreadable; the text is not.
    book.last_mut().unwrap().1 =
        protected("http://www.idpf.org/2008/embedding", "OEBPS/font.otf").into_bytes();
    assert!(read("a.epub", &zip(&book)).is_ok());
}

#[test]
fn nothing_is_no_success() {
    let blank = [
        ("a.docx", zip(&samples::docx_of("<w:p/>", &[]))),
        (
            "a.pptx",
            changed(samples::pptx(), "ppt/presentation.xml", |_| "<p:presentation xmlns:p='p'/>".to_owned()),
        ),
        (
            "a.xlsx",
            changed(samples::xlsx(), "xl/workbook.xml", |xml| xml.replace("r:id='rId1'", "r:id='rId2'")),
        ),
        ("a.rtf", b"{\\rtf1\\ansi \\par}".to_vec()),
        ("a.csv", b"\n\n,,\n".to_vec()),
        ("a.json", b" {} ".to_vec()),
        ("a.yaml", b"\n \n".to_vec()),
        ("a.toml", b"\n".to_vec()),
        ("a.xml", b"<?xml version='1.0'?><a><b/></a>".to_vec()),
        ("a.docx", Vec::new()),
        ("a.epub", Vec::new()),
    ];
    for (name, bytes) in blank {
        assert_eq!(read(name, &bytes), Err(ExtractError::Empty), "{name}");
    }
}

#[test]
fn what_is_damaged_says_so() {
    let whole = zip(&samples::docx());
    let damaged = [
        ("a.docx", whole[..whole.len() / 2].to_vec()),
        ("a.docx", changed(samples::docx(), "word/document.xml", |xml| xml[..xml.len() / 2].to_owned())),
        ("a.docx", changed(samples::docx(), "word/document.xml", |xml| xml.replace("</w:p>", ""))),
        ("a.odt", changed(samples::odt(), "content.xml", |xml| xml.replace("</text:h>", "</text:p>"))),
        (
            "a.xlsx",
            changed(samples::xlsx(), "xl/worksheets/sheet1.xml", |xml| xml[..xml.len() / 2].to_owned()),
        ),
        ("a.epub", changed(samples::epub(), "OEBPS/book.opf", |xml| xml.replace("</spine>", ""))),
        ("a.doc", legacy::doc(false)[..600].to_vec()),
        ("a.docx", b"\0\x01\x02\x03".to_vec()),
        ("a.rtf", samples::RTF.as_bytes()[..samples::RTF.len() / 2].to_vec()),
        ("a.xml", b"<?xml version='1.0'?><a><b>text</b>".to_vec()),
    ];
    for (name, bytes) in damaged {
        assert_eq!(read(name, &bytes).unwrap_err().class(), "corrupt_document", "{name}");
    }
}

/// What a file is counts, and not what it is called.
#[test]
fn what_it_holds_counts_and_not_its_name() {
    let archive = zip(&vec![("a.txt".to_owned(), b"x".to_vec())]);
    let package = zip(&vec![
        ("[Content_Types].xml".to_owned(), b"<Types/>".to_vec()),
        ("tool/a.txt".to_owned(), b"x".to_vec()),
    ]);
    for name in ["a.docx", "a.epub", "a.bin", "a.zip"] {
        assert_eq!(read(name, b"just words").unwrap().text, "just words", "{name}");
        for archive in [&archive, &package] {
            assert!(read(name, archive).unwrap().text.ends_with("a.txt\n\nx\n"), "{name}");
        }
    }
    // Its own parts come so late that nothing tells it apart from an archive.
    let mut late: samples::Members = vec![("thumbnail.bin".to_owned(), vec![1; 20_000])];
    late.extend(samples::docx());
    let named = |name: &str, bytes: &[u8]| read(name, bytes).unwrap().extractor;
    assert_eq!(named("a.zip", &zip(&late)), named("a.docx", &zip(&samples::docx())));
    let encrypted = legacy::container(&[("EncryptionInfo", b"x"), ("EncryptedPackage", b"x")]);
    assert_eq!(read("a.msg", &encrypted), Err(ExtractError::Encrypted));
    assert_eq!(named("a.msg", &legacy::doc(false)), named("a.doc", &legacy::doc(false)));
}

#[test]
fn entities_of_a_document_are_not_expanded() {
    let laughs =
        "<!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY f SYSTEM 'file:///etc/hostname'>]>";
    let document = changed(
        samples::docx_of("<w:p><w:r><w:t>one &b; &f;</w:t></w:r></w:p>", &[]),
        "word/document.xml",
        |xml| format!("{laughs}{xml}"),
    );
    assert_eq!(read("a.docx", &document).unwrap().text, "one &b; &f;");
    let xml = format!("<?xml version='1.0'?>{laughs}<x>one &b; &f; &amp;</x>");
    assert_eq!(read("a.xml", xml.as_bytes()).unwrap().text, "x: one &b; &f; &");
}

#[test]
fn limits_hold() {
    let limits = Limits { text_bytes: 40, ..Limits::default() };
    let documents = [
        ("a.docx", zip(&samples::docx())),
        ("a.pptx", zip(&samples::pptx())),
        ("a.xlsx", zip(&samples::xlsx())),
        ("a.odt", zip(&samples::odt())),
        ("a.ods", zip(&samples::ods())),
        ("a.epub", zip(&samples::epub())),
        ("a.xls", legacy::xls(false)),
        ("a.rtf", samples::RTF.as_bytes().to_vec()),
        ("a.csv", samples::TEXTS[0].1.as_bytes().to_vec()),
        ("a.json", samples::TEXTS[2].1.as_bytes().to_vec()),
    ];
    for (name, bytes) in documents {
        assert_eq!(read_within(name, &bytes, &limits).unwrap_err().class(), "document_too_large", "{name}");
    }
    // A part of zeros that unpacks to a thousand times its size.
    let bomb = deflated("word/document.xml", &vec![b' '; 100 << 20]);
    assert!(bomb.len() < 1 << 20);
    let error = read("a.docx", &bomb).unwrap_err();
    assert_eq!(error.class(), "document_too_large", "{error}");
}

/// One compressed member.
fn deflated(name: &str, bytes: &[u8]) -> Vec<u8> {
    use std::io::{Cursor, Write};
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, zip::write::SimpleFileOptions::default()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner()
}

#[test]
fn deep_nesting_has_an_end() {
    let deep = |open: &str, close: &str, times: usize| open.repeat(times) + close.repeat(times).as_str();
    let table = deep("<w:tbl><w:tr><w:tc><w:p/>", "</w:tc></w:tr></w:tbl>", 5000);
    assert_eq!(read("a.docx", &zip(&samples::docx_of(&table, &[]))).unwrap_err().class(), "corrupt_document");
    let near = deep("<w:tbl><w:tr><w:tc><w:p><w:r><w:t>x</w:t></w:r></w:p>", "</w:tc></w:tr></w:tbl>", 150);
    assert!(read("a.docx", &zip(&samples::docx_of(&near, &[]))).is_ok());
    let boxes = deep("<w:p><w:r><w:drawing><w:txbxContent>", "</w:txbxContent></w:drawing></w:r></w:p>", 110);
    assert_eq!(read("a.docx", &zip(&samples::docx_of(&boxes, &[]))).unwrap_err(), ExtractError::Empty);
    let groups = format!("{{\\rtf1 {}", "{".repeat(1_000_000));
    assert_eq!(read("a.rtf", groups.as_bytes()).unwrap_err().class(), "corrupt_document");
    let lists = deep("<text:list><text:list-item>", "</text:list-item></text:list>", 200);
    let odt =
        changed(samples::odt(), "content.xml", |xml| xml.replace("<text:h ", &format!("{lists}<text:h ")));
    assert!(read("a.odt", &odt).is_ok());
}
