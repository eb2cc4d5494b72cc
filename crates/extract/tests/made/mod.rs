//! Small files of every kind, made by code.
#![allow(dead_code, clippy::unwrap_used)]

use flate2::{Compression, write::GzEncoder};
use std::{
    io::{Cursor, Write},
    path::Path,
};
use zip::{ZipWriter, write::SimpleFileOptions};

/// A file of `tests/data`.
pub fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in members {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        // Not by `set_path`, which refuses names that no archive should have.
        header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, *bytes).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A mail with a text, the same in HTML, and these attachments.
pub fn mail(subject: &str, attachments: &[(&str, &[u8])]) -> Vec<u8> {
    use base64::Engine;
    let mut mail = format!(
        "Message-ID: <1@example.org>\r\nDate: Fri, 16 Dec 2022 17:04:16 -0500\r\nSubject: {subject}\r\n\
         From: Ada Lovelace <ada@example.org>\r\nTo: Bob <bob@example.org>, carol@example.org\r\nCc: Dan <dan@example.org>\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=outer\r\n\r\n\
         --outer\r\nContent-Type: multipart/alternative; boundary=inner\r\n\r\n\
         --inner\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         The gr=FC=DFe\r\n# no heading\r\n--inner\r\nContent-Type: text/html\r\n\r\n<p>in HTML</p>\r\n--inner--\r\n"
    );
    for (name, bytes) in attachments {
        let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
        mail.push_str(&format!(
            "--outer\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n"
        ));
    }
    mail.push_str("--outer--\r\n");
    mail.into_bytes()
}

/// A message of Outlook with a recipient, a file and another message attached.
pub fn outlook() -> Vec<u8> {
    let mut ole = cfb::CompoundFile::create(Cursor::new(Vec::new())).unwrap();
    let mut text = |path: &str, text: &str| {
        let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        stream(&mut ole, &format!("{path}001F"), &bytes);
    };
    for folder in ["", "/__attach_version1.0_#00000001/__substg1.0_3701000D"] {
        let subject = if folder.is_empty() { "Harbour fees" } else { "The one inside" };
        text(&format!("{folder}/__substg1.0_0037"), subject);
        text(&format!("{folder}/__substg1.0_1000"), "They rise in May.\r\n# no heading\r\n");
        text(&format!("{folder}/__substg1.0_0C1A"), "Ada Lovelace");
        text(&format!("{folder}/__substg1.0_5D01"), "ada@example.org");
    }
    text("/__recip_version1.0_#00000000/__substg1.0_3001", "Bob");
    text("/__recip_version1.0_#00000000/__substg1.0_39FE", "bob@example.org");
    text("/__attach_version1.0_#00000000/__substg1.0_3707", "tides.md");
    stream(&mut ole, "/__attach_version1.0_#00000000/__substg1.0_37010102", b"# Tides\n\nHigh at noon.\n");
    // 2026-05-01 12:00 UTC in ticks since 1601.
    let sent = (1_777_636_800u64 + 11_644_473_600) * 10_000_000;
    let property = |id: u16, kind: u16, value: u64| {
        [&kind.to_le_bytes()[..], &id.to_le_bytes(), &[0; 4], &value.to_le_bytes()].concat()
    };
    stream(&mut ole, "/__properties_version1.0", &[vec![0; 32], property(0x0039, 0x0040, sent)].concat());
    stream(
        &mut ole,
        "/__recip_version1.0_#00000000/__properties_version1.0",
        &[vec![0; 8], property(0x0c15, 3, 1)].concat(),
    );
    ole.flush().unwrap();
    ole.into_inner().into_inner()
}

fn stream(ole: &mut cfb::CompoundFile<Cursor<Vec<u8>>>, path: &str, bytes: &[u8]) {
    ole.create_storage_all(Path::new(path).parent().unwrap()).unwrap();
    ole.create_stream(path).unwrap().write_all(bytes).unwrap();
}

/// A JPEG of which only the header is there, with EXIF.
pub fn photo() -> Vec<u8> {
    let texts: [(u16, &[u8]); 3] =
        [(0x010e, b"A lighthouse\0"), (0x010f, b"Kodak\0\0\0"), (0x0132, b"2024:05:01 12:00:00\0")];
    let (mut entries, mut values) = (Vec::new(), Vec::new());
    let values_at = 8 + 2 + 12 * texts.len() + 4;
    for (tag, text) in texts {
        entries.extend(tag.to_be_bytes());
        entries.extend(2u16.to_be_bytes());
        entries.extend((text.len() as u32).to_be_bytes());
        entries.extend(((values_at + values.len()) as u32).to_be_bytes());
        values.extend(text);
    }
    let tiff =
        [&b"MM\0*\0\0\0\x08"[..], &(texts.len() as u16).to_be_bytes(), &entries, &[0; 4], &values].concat();
    let segment =
        |kind: u8, body: &[u8]| [&[0xff, kind][..], &(body.len() as u16 + 2).to_be_bytes(), body].concat();
    [
        b"\xff\xd8".to_vec(),
        segment(0xe1, &[b"Exif\0\0", &tiff[..]].concat()),
        segment(0xc0, b"\x08\x01\xe0\x02\x80\x01\x01\x11\0"),
        b"\xff\xd9".to_vec(),
    ]
    .concat()
}

/// A PNG of one white pixel with these texts.
pub fn drawing(texts: &[(&str, &str)]) -> Vec<u8> {
    let chunk = |kind: &[u8; 4], body: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(&[&kind[..], body].concat());
        [&(body.len() as u32).to_be_bytes(), &kind[..], body, &crc.sum().to_be_bytes()].concat()
    };
    let mut pixel = flate2::write::ZlibEncoder::new(Vec::new(), Compression::fast());
    pixel.write_all(&[0, 0xff]).unwrap();
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    png.extend(chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]));
    for (keyword, text) in texts {
        png.extend(chunk(b"tEXt", format!("{keyword}\0{text}").as_bytes()));
    }
    png.extend(chunk(b"IDAT", &pixel.finish().unwrap()));
    png.extend(chunk(b"IEND", b""));
    png
}

/// A PDF of one page that is a picture, six pixels wide and four high, turned by a right angle.
pub fn scan() -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 60 40] /Rotate 90 /Contents 4 0 R \
            /Resources << /XObject << /I 5 0 R >> >> >>"
            .to_owned(),
        "<< /Length 23 >>\nstream\n60 0 0 40 0 0 cm /I Do \nendstream".to_owned(),
        format!(
            "<< /Type /XObject /Subtype /Image /Width 6 /Height 4 /ColorSpace /DeviceGray /BitsPerComponent 8 \
             /Length 24 >>\nstream\n{}\nendstream",
            "abcdefghijklmnopqrstuvwx"
        ),
    ];
    let (mut pdf, mut table) = ("%PDF-1.4\n".to_owned(), String::new());
    for (number, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", number + 1));
    }
    let (at, size) = (pdf.len(), objects.len() + 1);
    pdf.push_str(&format!("xref\n0 {size}\n0000000000 65535 f \n{table}trailer << /Root 1 0 R /Size {size} >>\nstartxref\n{at}\n%%EOF\n"));
    pdf.into_bytes()
}

/// An MP3 of some frames of silence with a title and a chapter.
pub fn song() -> Vec<u8> {
    let synchsafe =
        |n: usize| [(n >> 21) as u8 & 127, (n >> 14) as u8 & 127, (n >> 7) as u8 & 127, n as u8 & 127];
    let frame = |id: &[u8; 4], body: &[u8]| [&id[..], &synchsafe(body.len()), &[0; 2], body].concat();
    let title = frame(b"TIT2", b"\x03Sea shanty");
    let chapter = [
        &b"c\0"[..],
        &5000u32.to_be_bytes(),
        &9000u32.to_be_bytes(),
        &[0xff; 8],
        &frame(b"TIT2", b"\x03Refrain"),
    ]
    .concat();
    let tags = [title, frame(b"TPE1", b"\x03The crew"), frame(b"CHAP", &chapter)].concat();
    let sound = [&[0xff, 0xfb, 0x90, 0x00][..], &[0; 413]].concat();
    [&b"ID3\x04\0\0"[..], &synchsafe(tags.len()), &tags, &sound.repeat(40)].concat()
}

/// An MP4 with a header and no pictures.
pub fn film() -> Vec<u8> {
    let boxed =
        |kind: &[u8; 4], body: &[u8]| [&(body.len() as u32 + 8).to_be_bytes(), &kind[..], body].concat();
    let times = [&[0; 12][..], &1000u32.to_be_bytes(), &65_000u32.to_be_bytes()].concat();
    let entry =
        boxed(b"avc1", &[&[0; 24][..], &640u16.to_be_bytes(), &480u16.to_be_bytes(), &[0; 50]].concat());
    let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
    let media = [
        boxed(b"mdhd", &[&times[..], &[0; 4]].concat()),
        boxed(b"hdlr", b"\0\0\0\0\0\0\0\0vide\0\0\0\0\0\0\0\0\0\0\0\0\0"),
        boxed(b"minf", &boxed(b"stbl", &stsd)),
    ]
    .concat();
    let moov =
        [boxed(b"mvhd", &[&times[..], &[0; 80]].concat()), boxed(b"trak", &boxed(b"mdia", &media))].concat();
    [boxed(b"ftyp", b"isom\0\0\x02\0isom"), boxed(b"moov", &moov)].concat()
}

/// An AVI with a header and no pictures.
pub fn old_film() -> Vec<u8> {
    let chunk = |kind: &[u8; 4], body: &[u8]| {
        let padding = if body.len() % 2 == 1 { &[0][..] } else { &[] };
        [&kind[..], &(body.len() as u32).to_le_bytes(), body, padding].concat()
    };
    let header: Vec<u8> =
        [40_000u32, 0, 0, 0, 1500, 0, 0, 0, 640, 480].iter().flat_map(|n| n.to_le_bytes()).collect();
    let stream = [&b"strl"[..], &chunk(b"strh", b"vidsXVID"), &chunk(b"strf", &[0; 8])].concat();
    let header = [&b"hdrl"[..], &chunk(b"avih", &header), &chunk(b"LIST", &stream)].concat();
    let info = [&b"INFO"[..], &chunk(b"INAM", b"A film\0")].concat();
    let body = [chunk(b"LIST", &header), chunk(b"LIST", &info), chunk(b"LIST", b"movi")].concat();
    [&b"RIFF"[..], &(body.len() as u32 + 4).to_le_bytes(), b"AVI ", &body].concat()
}

/// A Matroska file with a title, a track and a tag.
pub fn free_film() -> Vec<u8> {
    let element = |id: &[u8], body: &[u8]| [id, &(body.len() as u64 | 1 << 56).to_be_bytes(), body].concat();
    let info = [element(b"\x7b\xa9", b"A talk"), element(b"\x44\x89", &61_500f64.to_be_bytes())].concat();
    let size = [element(b"\xb0", &[7, 128]), element(b"\xba", &[4, 56])].concat();
    let entry = [element(b"\x83", &[1]), element(b"\x86", b"V_VP9"), element(b"\xe0", &size)].concat();
    let tag = [element(b"\x45\xa3", b"ARTIST"), element(b"\x44\x87", b"The crew")].concat();
    let parts = [
        element(b"\x15\x49\xa9\x66", &info),
        element(b"\x16\x54\xae\x6b", &element(b"\xae", &entry)),
        element(b"\x12\x54\xc3\x67", &element(b"\x73\x73", &element(b"\x67\xc8", &tag))),
    ];
    [element(b"\x1a\x45\xdf\xa3", b""), element(b"\x18\x53\x80\x67", &parts.concat())].concat()
}

pub const SUBTITLES: &str = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Ada>High water at noon.\n";
pub const MAILBOX: &str = "From ada@example.org Fri Dec 16 17:04:16 2022\nSubject: One\nFrom: ada@example.org\n\nFirst.\n\
    >From here on it is quoted.\nFrom nowhere: this is a line of the text.\n\nFrom bob@example.org Fri Dec 16 18:00:00 2022\n\
    From: bob@example.org\n\nSecond.\n";

pub const XMP: &str = "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='r' xmlns:dc='d'><rdf:Description dc:format='image/png'>\
    <dc:title><rdf:Alt><rdf:li>A chart</rdf:li></rdf:Alt></dc:title><dc:creator><rdf:Seq><rdf:li>Ada</rdf:li></rdf:Seq></dc:creator>\
    </rdf:Description></rdf:RDF></x:xmpmeta>";

/// One of every kind, with a name.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let inner = zip(&[("deep/notes.md", b"# Deep\n\nnotes"), ("tides.html", b"<p>tides</p>")]);
    let report = data("three_pages.pdf");
    vec![
        ("report.pdf", report.clone()),
        ("owner.pdf", data("owner_password.pdf")),
        ("scanned.pdf", data("scanned.pdf")),
        ("scan.pdf", scan()),
        ("page.html", data("page.html")),
        ("main.rs", b"fn main() {\n    println!(\"{}\", 1);\n}\n".to_vec()),
        ("talk.vtt", SUBTITLES.as_bytes().to_vec()),
        ("talk.srt", b"1\n00:00:01,000 --> 00:00:02,000\n<i>High</i> water\n\n2\n00:00:02,000 --> 00:00:03,000\nat noon\n".to_vec()),
        ("letter.eml", mail("Fees", &[("report.pdf", &report), ("inner.zip", &inner)])),
        ("inbox.mbox", MAILBOX.as_bytes().to_vec()),
        ("letter.msg", outlook()),
        ("photo.jpg", photo()),
        ("drawing.png", drawing(&[("Title", "A chart")])),
        ("tagged.png", drawing(&[("XML:com.adobe.xmp", XMP)])),
        ("song.mp3", song()),
        ("film.mp4", film()),
        ("film.avi", old_film()),
        ("film.mkv", free_film()),
        ("files.zip", zip(&[("a.txt", b"a text"), ("inner.zip", &inner), ("report.pdf", &report)])),
        ("files.tar", tar(&[("a.txt", b"a text"), ("b.eml", &mail("x", &[]))])),
        ("files.tgz", gzip(&tar(&[("a.txt", b"a text"), ("song.mp3", &song())]))),
        ("notes.md.gz", gzip(b"# Notes\n\nin gzip")),
        ("archive.7z", data("archive.7z")),
    ]
}
