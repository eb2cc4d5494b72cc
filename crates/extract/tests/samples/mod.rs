//! Small documents of many formats, made here: no program's output is needed,
//! and every part that a test is about stands in the test's own words.
#![allow(clippy::unwrap_used, dead_code)]

pub mod legacy;

use std::io::{Cursor, Write};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

/// Members of a container, in order.
pub type Members = Vec<(String, Vec<u8>)>;

/// A zip of them, uncompressed: what is changed in it is changed in a member.
pub fn zip(members: &Members) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, bytes) in members {
        writer.start_file(name.as_str(), stored).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn members(all: &[(&str, &str)]) -> Members {
    all.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect()
}

const RELATIONSHIPS: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";

/// The relationships of a part: id, kind, target; those of addresses are external.
pub fn relationships(all: &[(&str, &str, &str)]) -> String {
    let mut xml =
        String::from("<Relationships xmlns='http://schemas.openxmlformats.org/package/2006/relationships'>");
    for (id, kind, target) in all {
        let mode = if target.contains("://") { " TargetMode='External'" } else { "" };
        xml.push_str(&format!(
            "<Relationship Id='{id}' Type='{RELATIONSHIPS}/{kind}' Target='{target}'{mode}/>"
        ));
    }
    xml + "</Relationships>"
}

const CORE: &str = "<cp:coreProperties xmlns:cp='c' xmlns:dc='d' xmlns:dcterms='t'><dc:title>A small report</dc:title>\
    <dc:creator>Ada</dc:creator><dcterms:created>2024-05-01T06:00:00Z</dcterms:created>\
    <dcterms:modified>2024-05-02T06:00:00Z</dcterms:modified></cp:coreProperties>";

/// A package with this main part.
fn package(main: &str, parts: &[(&str, &str)]) -> Members {
    let root =
        relationships(&[("rId1", "officeDocument", main), ("rId2", "core-properties", "docProps/core.xml")]);
    let mut all =
        members(&[("[Content_Types].xml", "<Types/>"), ("_rels/.rels", &root), ("docProps/core.xml", CORE)]);
    all.extend(members(parts));
    all
}

const W: &str = "xmlns:w='w' xmlns:r='r' xmlns:wp='wp' xmlns:a='a' xmlns:wps='wps' xmlns:v='v' xmlns:mc='mc' xmlns:m='m' xmlns:c='c'";

/// DOCX of one body, with styles, lists and the parts given.
pub fn docx_of(body: &str, more: &[(&str, &str, &str, &str)]) -> Members {
    let document = format!("<w:document {W}><w:body>{body}</w:body></w:document>");
    let styles = format!(
        "<w:styles {W}>\
         <w:style w:type='paragraph' w:styleId='Standard'><w:name w:val='Normal'/></w:style>\
         <w:style w:type='paragraph' w:styleId='Titel'><w:name w:val='Title'/></w:style>\
         <w:style w:type='paragraph' w:styleId='berschrift1'><w:name w:val='heading 1'/><w:pPr><w:numPr><w:numId w:val='3'/></w:numPr></w:pPr></w:style>\
         <w:style w:type='paragraph' w:styleId='Mein'><w:name w:val='Mine'/><w:basedOn w:val='Sub'/></w:style>\
         <w:style w:type='paragraph' w:styleId='Sub'><w:name w:val='Sub'/><w:pPr><w:outlineLvl w:val='1'/></w:pPr></w:style>\
         <w:style w:type='paragraph' w:styleId='Verzeichnis1'><w:name w:val='toc 1'/></w:style></w:styles>"
    );
    let level = |at: u8, format: &str, text: &str| {
        format!(
            "<w:lvl w:ilvl='{at}'><w:start w:val='1'/><w:numFmt w:val='{format}'/><w:lvlText w:val='{text}'/></w:lvl>"
        )
    };
    let numbering = format!(
        "<w:numbering {W}><w:abstractNum w:abstractNumId='0'>{}{}</w:abstractNum>\
         <w:abstractNum w:abstractNumId='1'>{}{}</w:abstractNum>\
         <w:num w:numId='1'><w:abstractNumId w:val='0'/></w:num><w:num w:numId='3'><w:abstractNumId w:val='1'/></w:num></w:numbering>",
        level(0, "bullet", "x"),
        level(1, "lowerLetter", "(%2)"),
        level(0, "decimal", "%1"),
        level(1, "decimal", "%1.%2"),
    );
    let mut links = vec![("rId1", "styles", "styles.xml"), ("rId2", "numbering", "numbering.xml")];
    links.extend(more.iter().map(|(id, kind, target, _)| (*id, *kind, *target)));
    let links = relationships(&links);
    let mut all = package(
        "word/document.xml",
        &[
            ("word/_rels/document.xml.rels", &links),
            ("word/document.xml", &document),
            ("word/styles.xml", &styles),
            ("word/numbering.xml", &numbering),
        ],
    );
    let parts = more.iter().filter(|(_, _, target, _)| !target.contains("://"));
    all.extend(
        parts.map(|(_, _, target, text)| (format!("word/{target}"), text.replace("W!", W).into_bytes())),
    );
    all
}

/// A DOCX with all that one has.
pub fn docx() -> Members {
    let p = |style: &str, text: &str| {
        format!("<w:p><w:pPr><w:pStyle w:val='{style}'/></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
    };
    let item = |level: u8, text: &str| {
        format!(
            "<w:p><w:pPr><w:numPr><w:ilvl w:val='{level}'/><w:numId w:val='1'/></w:numPr></w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>"
        )
    };
    let cell = |more: &str, text: &str| {
        format!("<w:tc><w:tcPr>{more}</w:tcPr><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:tc>")
    };
    let body = [
        p("Titel", "Harbour fees"),
        p("Verzeichnis1", "Fees rise ... 1"),
        p("berschrift1", "Fees rise"),
        "<w:p><w:r><w:rPr><w:b/></w:rPr><w:t>Inter</w:t></w:r><w:r><w:t xml:space='preserve'>national fees </w:t></w:r>\
         <w:ins><w:r><w:t>rise</w:t></w:r></w:ins><w:del><w:r><w:delText>fall</w:delText></w:r></w:del>\
         <w:r><w:footnoteReference w:id='2'/></w:r><w:r><w:commentReference w:id='7'/></w:r>\
         <w:r><w:t xml:space='preserve'>, see </w:t></w:r>\
         <w:hyperlink r:id='rId9'><w:r><w:t>the table</w:t></w:r></w:hyperlink><w:r><w:t>.</w:t><w:br/><w:t>New line</w:t></w:r></w:p>".to_owned(),
        p("Mein", "How much"),
        item(0, "Boats"),
        item(1, "small"),
        item(1, "large"),
        item(0, "Ships"),
        format!(
            "<w:tbl><w:tr>{}{}{}</w:tr><w:tr>{}{}{}</w:tr><w:tr>{}{}{}</w:tr></w:tbl>",
            cell("", "Pier"), cell("", "Boat"), cell("", "Fee"),
            cell("<w:vMerge w:val='restart'/>", "North"), cell("", "small"), cell("", "3 | 4"),
            cell("<w:vMerge/>", ""), cell("", "large"), cell("", "12"),
        ),
        "<w:p><w:r><mc:AlternateContent><mc:Choice Requires='wps'><w:drawing><wp:inline><wp:docPr id='1' name='x' descr='A pier at noon'/>\
         <wps:txbx><w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent></wps:txbx></wp:inline></w:drawing></mc:Choice>\
         <mc:Fallback><w:pict><v:textbox><w:txbxContent><w:p><w:r><w:t>In a box</w:t></w:r></w:p></w:txbxContent></v:textbox></w:pict></mc:Fallback>\
         </mc:AlternateContent></w:r></w:p>".to_owned(),
        "<w:p><w:r><w:fldChar w:fldCharType='begin'/></w:r><w:r><w:instrText> HYPERLINK \"https://h.example/b\" </w:instrText></w:r>\
         <w:r><w:fldChar w:fldCharType='separate'/></w:r><w:r><w:t>a field</w:t></w:r><w:r><w:fldChar w:fldCharType='end'/></w:r></w:p>".to_owned(),
        p("berschrift1", "Chart"),
        "<w:p><w:r><w:lastRenderedPageBreak/><w:drawing><a:graphic><c:chart r:id='rId10'/></a:graphic></w:drawing></w:r></w:p>".to_owned(),
        p("Standard", "# The end"),
    ]
    .concat();
    let header = "<w:hdr W!><w:p><w:r><w:t>Port of X, page </w:t></w:r><w:fldSimple w:instr='PAGE'><w:r><w:t>1</w:t></w:r></w:fldSimple></w:p></w:hdr>";
    let footer = "<w:ftr W!><w:p><w:r><w:t>Confidential</w:t></w:r></w:p></w:ftr>";
    let notes = "<w:footnotes W!><w:footnote w:type='separator' w:id='0'><w:p/></w:footnote>\
        <w:footnote w:id='2'><w:p><w:r><w:footnoteRef/><w:t>Since May.</w:t></w:r></w:p></w:footnote></w:footnotes>";
    let comments = "<w:comments W!><w:comment w:id='7' w:author='Bob'><w:p><w:r><w:t>Really?</w:t></w:r></w:p></w:comment></w:comments>";
    docx_of(
        &body,
        &[
            ("rId3", "header", "header1.xml", header),
            ("rId4", "header", "header2.xml", header),
            ("rId5", "footer", "footer1.xml", footer),
            ("rId6", "footnotes", "footnotes.xml", notes),
            ("rId7", "comments", "comments.xml", comments),
            ("rId9", "hyperlink", "https://h.example/a", ""),
            ("rId10", "chart", "charts/chart1.xml", CHART),
        ],
    )
}

const CHART: &str = "<c:chartSpace xmlns:c='c' xmlns:a='a'><c:chart><c:title><c:tx><c:rich><a:p><a:r><a:t>Fees by year</a:t></a:r></a:p></c:rich></c:tx></c:title>\
    <c:plotArea><c:barChart><c:ser><c:tx><c:strRef><c:strCache><c:pt idx='0'><c:v>North</c:v></c:pt></c:strCache></c:strRef></c:tx>\
    <c:cat><c:strRef><c:strCache><c:pt idx='0'><c:v>2023</c:v></c:pt><c:pt idx='1'><c:v>2024</c:v></c:pt></c:strCache></c:strRef></c:cat>\
    <c:val><c:numRef><c:numCache><c:pt idx='0'><c:v>10</c:v></c:pt><c:pt idx='1'><c:v>12</c:v></c:pt></c:numCache></c:numRef></c:val></c:ser>\
    </c:barChart></c:plotArea></c:chart></c:chartSpace>";

/// A PPTX of two slides, which the files have in another order.
pub fn pptx() -> Members {
    let sp = |kind: &str, paragraphs: &str| {
        format!(
            "<p:sp><p:nvSpPr><p:cNvPr id='1' name='x'/><p:nvPr>{kind}</p:nvPr></p:nvSpPr><p:txBody><a:bodyPr/>{paragraphs}</p:txBody></p:sp>"
        )
    };
    let p = |more: &str, text: &str| format!("<a:p>{more}<a:r><a:rPr/><a:t>{text}</a:t></a:r></a:p>");
    let slide = |shapes: &str| {
        format!(
            "<p:sld xmlns:p='p' xmlns:a='a' xmlns:r='r' xmlns:c='c'><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        )
    };
    let body = sp("<p:ph idx='1'/>", &(p("", "Boats") + &p("<a:pPr lvl='1'/>", "small") + &p("", "Ships")));
    let first = slide(
        &(sp("", &p("", "A box"))
            + &body
            + &sp("<p:ph type='title'/>", &p("", "Who pays"))
            + &sp("<p:ph type='sldNum'/>", "<a:p><a:fld type='slidenum'><a:t>1</a:t></a:fld></a:p>")
            + "<p:grpSp><p:pic><p:nvPicPr><p:cNvPr id='2' name='y' descr='A pier'/></p:nvPicPr></p:pic></p:grpSp>"),
    );
    let cell = |text: &str| format!("<a:tc><a:txBody>{}</a:txBody></a:tc>", p("", text));
    let table = format!(
        "<p:graphicFrame><a:graphic><a:tbl><a:tr>{}{}</a:tr><a:tr>{}{}</a:tr></a:tbl></a:graphic></p:graphicFrame>",
        cell("Boat"),
        cell("Fee"),
        cell("small"),
        cell("3")
    );
    let second =
        slide(&(table + "<p:graphicFrame><a:graphic><c:chart r:id='rId2'/></a:graphic></p:graphicFrame>"));
    let notes =
        slide(&(sp("<p:ph type='sldImg'/>", "") + &sp("<p:ph type='body'/>", &p("", "Say it slowly."))));
    let comments = "<p:cmLst xmlns:p='p'><p:cm authorId='0'><p:text>Really?</p:text></p:cm></p:cmLst>";
    let authors = "<p:cmAuthorLst xmlns:p='p'><p:cmAuthor id='0' name='Bob'/></p:cmAuthorLst>";
    let presentation = "<p:presentation xmlns:p='p' xmlns:r='r'><p:sldIdLst><p:sldId id='257' r:id='rId7'/><p:sldId id='256' r:id='rId8'/></p:sldIdLst></p:presentation>";
    let main = relationships(&[
        ("rId7", "slide", "slides/slide2.xml"),
        ("rId8", "slide", "slides/slide1.xml"),
        ("rId9", "commentAuthors", "commentAuthors.xml"),
    ]);
    let of_first = relationships(&[
        ("rId1", "notesSlide", "../notesSlides/notes1.xml"),
        ("rId2", "comments", "../comments/comment1.xml"),
    ]);
    let of_second = relationships(&[("rId2", "chart", "../charts/chart1.xml")]);
    package(
        "ppt/presentation.xml",
        &[
            ("ppt/presentation.xml", presentation),
            ("ppt/_rels/presentation.xml.rels", &main),
            ("ppt/commentAuthors.xml", authors),
            ("ppt/slides/slide2.xml", &first),
            ("ppt/slides/_rels/slide2.xml.rels", &of_first),
            ("ppt/slides/slide1.xml", &second),
            ("ppt/slides/_rels/slide1.xml.rels", &of_second),
            ("ppt/notesSlides/notes1.xml", &notes),
            ("ppt/comments/comment1.xml", comments),
            ("ppt/charts/chart1.xml", CHART),
        ],
    )
}

/// An XLSX of two sheets.
pub fn xlsx() -> Members {
    const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let workbook = format!(
        "<workbook xmlns='{MAIN}' xmlns:r='{RELATIONSHIPS}'><sheets><sheet name='Fees' sheetId='1' r:id='rId1'/>\
         <sheet name='Empty' sheetId='2' r:id='rId2'/></sheets></workbook>"
    );
    let links = relationships(&[
        ("rId1", "worksheet", "worksheets/sheet1.xml"),
        ("rId2", "worksheet", "worksheets/sheet2.xml"),
        ("rId3", "sharedStrings", "sharedStrings.xml"),
        ("rId4", "styles", "styles.xml"),
    ]);
    let strings = format!(
        "<sst xmlns='{MAIN}'><si><t>Harbour fees</t></si><si><t>Pier</t></si><si><t>From</t></si><si><t>Fee</t></si>\
         <si><r><t>No</t></r><r><rPr><b/></rPr><t>rth</t></r></si><si><t>South</t></si></sst>"
    );
    let styles = format!(
        "<styleSheet xmlns='{MAIN}'><numFmts count='1'><numFmt numFmtId='164' formatCode='&quot;EUR&quot; #,##0.00'/></numFmts>\
         <cellXfs><xf numFmtId='0'/><xf numFmtId='14' applyNumberFormat='1'/><xf numFmtId='164' applyNumberFormat='1'/></cellXfs></styleSheet>"
    );
    let sheet = format!(
        "<worksheet xmlns='{MAIN}' xmlns:r='{RELATIONSHIPS}'><sheetData>\
         <row r='1'><c r='A1' t='s'><v>0</v></c></row>\
         <row r='3'><c r='A3' t='s'><v>1</v></c><c r='B3' t='s'><v>2</v></c><c r='C3' t='s'><v>3</v></c></row>\
         <row r='4'><c r='A4' t='s'><v>4</v></c><c r='B4' s='1'><v>45413</v></c><c r='C4' s='2'><f>1234.5*1</f><v>1234.5</v></c></row>\
         <row r='5'><c r='A5' t='s'><v>5</v></c><c r='B5' s='1'><v>45414.25</v></c><c r='C5'><f>0.1+0.2</f><v>0.30000000000000004</v></c></row>\
         <row r='7'><c r='A7' t='inlineStr'><is><t>West</t></is></c><c r='C7' t='b'><v>1</v></c></row>\
         </sheetData><hyperlinks><hyperlink ref='A4' r:id='rId2'/></hyperlinks>\
         <headerFooter><oddHeader>&amp;CPort of X&amp;RPage &amp;P</oddHeader></headerFooter></worksheet>"
    );
    let beside = relationships(&[
        ("rId1", "comments", "../comments1.xml"),
        ("rId2", "hyperlink", "https://h.example/a"),
    ]);
    let comments = format!(
        "<comments xmlns='{MAIN}'><commentList><comment ref='C4' authorId='0'><text><r><t>Really?</t></r></text></comment></commentList></comments>"
    );
    let empty = format!("<worksheet xmlns='{MAIN}'><sheetData/></worksheet>");
    package(
        "xl/workbook.xml",
        &[
            ("xl/workbook.xml", &workbook),
            ("xl/_rels/workbook.xml.rels", &links),
            ("xl/sharedStrings.xml", &strings),
            ("xl/styles.xml", &styles),
            ("xl/worksheets/sheet1.xml", &sheet),
            ("xl/worksheets/_rels/sheet1.xml.rels", &beside),
            ("xl/comments1.xml", &comments),
            ("xl/worksheets/sheet2.xml", &empty),
        ],
    )
}

const ODF: &str = "xmlns:office='o' xmlns:text='t' xmlns:table='tb' xmlns:draw='d' xmlns:style='s' xmlns:dc='dc' xmlns:xlink='x' xmlns:presentation='p' xmlns:svg='svg' xmlns:meta='m'";

fn odf(kind: &str, styles: &str, master: &str, body: &str) -> Members {
    let media_type = format!("application/vnd.oasis.opendocument.{kind}");
    let content = format!(
        "<office:document-content {ODF}><office:automatic-styles>{styles}</office:automatic-styles>\
         <office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    );
    let styles = format!(
        "<office:document-styles {ODF}><office:master-styles>{master}</office:master-styles></office:document-styles>"
    );
    let meta = format!(
        "<office:document-meta {ODF}><office:meta><dc:title>A small report</dc:title><meta:initial-creator>Ada</meta:initial-creator>\
         <meta:creation-date>2024-05-01T06:00:00</meta:creation-date><meta:document-statistic meta:page-count='2' meta:word-count='9'/></office:meta></office:document-meta>"
    );
    members(&[
        ("mimetype", &media_type),
        ("META-INF/manifest.xml", "<manifest:manifest xmlns:manifest='m'/>"),
        ("meta.xml", &meta),
        ("styles.xml", &styles),
        ("content.xml", &content),
    ])
}

/// An ODT with all that one has.
pub fn odt() -> Members {
    odf(
        "text",
        "<text:list-style style:name='L1'><text:list-level-style-bullet text:level='1'/>\
         <text:list-level-style-number text:level='2' style:num-format='a'/></text:list-style>\
         <style:style style:name='P1' style:parent-style-name='Title'/>",
        "<style:master-page><style:header><text:p>Port of X, <text:page-number>1</text:page-number></text:p></style:header>\
         <style:footer><text:p>Confidential</text:p></style:footer></style:master-page>",
        "<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>\
         <text:p text:style-name='P1'>Harbour fees</text:p>\
         <text:h text:outline-level='1'>Fees rise</text:h>\
         <text:p>Inter<text:span>national</text:span><text:s text:c='2'/>fees\n   rise<text:note text:note-class='footnote'><text:note-citation>1</text:note-citation>\
         <text:note-body><text:p>Since May.</text:p></text:note-body></text:note><office:annotation><dc:creator>Bob</dc:creator><text:p>Really?</text:p></office:annotation>, \
         see <text:a xlink:href='https://h.example/a'>the table</text:a>.<text:line-break/>New line</text:p>\
         <text:list text:style-name='L1'><text:list-item><text:p>Boats</text:p><text:list><text:list-item><text:p>small</text:p></text:list-item>\
         <text:list-item><text:p>large</text:p></text:list-item></text:list></text:list-item><text:list-item><text:p>Ships</text:p></text:list-item></text:list>\
         <table:table><table:table-header-rows><table:table-row><table:table-cell><text:p>Boat</text:p></table:table-cell><table:table-cell><text:p>Fee</text:p></table:table-cell></table:table-row></table:table-header-rows>\
         <table:table-row><table:table-cell><text:p>small</text:p></table:table-cell><table:table-cell><text:p>3</text:p></table:table-cell></table:table-row></table:table>\
         <text:p><text:soft-page-break/><draw:frame><draw:text-box><text:p>In a box</text:p></draw:text-box><svg:desc>A pier at noon</svg:desc></draw:frame>Last</text:p>",
    )
}

/// An ODP of two slides.
pub fn odp() -> Members {
    odf(
        "presentation",
        "",
        "",
        "<draw:page draw:name='page1'><draw:frame presentation:class='outline'><draw:text-box><text:list><text:list-item><text:p>Boats</text:p></text:list-item></text:list></draw:text-box></draw:frame>\
         <draw:frame presentation:class='title'><draw:text-box><text:p>Who pays</text:p></draw:text-box></draw:frame>\
         <draw:frame presentation:class='page-number'><draw:text-box><text:p>1</text:p></draw:text-box></draw:frame>\
         <presentation:notes><draw:page-thumbnail/><draw:frame><draw:text-box><text:p>Say it slowly.</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>\
         <draw:page><draw:custom-shape><text:p>A shape</text:p></draw:custom-shape></draw:page>",
    )
}

/// An ODS of two sheets.
pub fn ods() -> Members {
    let cell = |more: &str, text: &str| {
        format!("<table:table-cell {more}><text:p>{text}</text:p></table:table-cell>")
    };
    let body = format!(
        "<table:table table:name='Fees'><table:table-row>{}{}{}</table:table-row>\
         <table:table-row>{}{}<table:table-cell><office:annotation><text:p>Really?</text:p></office:annotation><text:p>1.234,50 €</text:p></table:table-cell></table:table-row>\
         <table:table-row table:number-rows-repeated='1048570'><table:table-cell table:number-columns-repeated='16384'/></table:table-row></table:table>\
         <table:table table:name='Empty'><table:table-row><table:table-cell/></table:table-row></table:table>",
        cell("", "Pier"),
        cell("", "From"),
        cell("", "Fee"),
        cell("", "North"),
        cell("office:value-type='date' office:date-value='2024-05-01'", "01.05.24"),
    );
    odf("spreadsheet", "", "", &body)
}

/// An EPUB of two chapters, which the files have in another order.
pub fn epub() -> Members {
    let chapter = |head: &str, body: &str| {
        format!(
            "<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'><head>{head}</head><body>{body}</body></html>"
        )
    };
    let package = "<package xmlns='p' xmlns:dc='d'><metadata><dc:title>Tides</dc:title><dc:creator>Ada</dc:creator><dc:date>2024</dc:date><dc:language>en</dc:language></metadata>\
        <manifest><item id='nav' href='nav.xhtml' media-type='application/xhtml+xml' properties='nav'/><item id='a' href='text/a%20b.xhtml' media-type='application/xhtml+xml'/>\
        <item id='b' href='text/b.xhtml' media-type='application/xhtml+xml'/><item id='i' href='i.png' media-type='image/png'/></manifest>\
        <spine><itemref idref='b'/><itemref idref='i'/><itemref idref='a'/></spine></package>";
    let nav = chapter("", "<nav><ol><li><a href='text/b.xhtml#x'>First of all</a></li></ol></nav>");
    members(&[
        ("mimetype", "application/epub+zip"),
        (
            "META-INF/container.xml",
            "<container><rootfiles><rootfile full-path='OEBPS/book.opf'/></rootfiles></container>",
        ),
        ("OEBPS/book.opf", package),
        ("OEBPS/nav.xhtml", &nav),
        ("OEBPS/text/a b.xhtml", &chapter("<title>x</title>", "<h1>Second</h1><p>Low water &eacute;.</p>")),
        ("OEBPS/text/b.xhtml", &chapter("<title/><script src='x'/>", "<p>High water.</p>")),
        ("OEBPS/i.png", "no text"),
    ])
}

/// An RTF with all that one has.
pub const RTF: &str = r#"{\rtf1\ansi\ansicpg1252\deff0{\fonttbl{\f0\fcharset0 Times;}{\f1\fcharset204 Arial Cyr;}{\f2\fcharset2 Symbol;}{\f3\fcharset128 MS Mincho;}}
{\colortbl;\red0\green0\blue0;}{\stylesheet{\ql Normal;}{\s1\outlinelevel0 heading 1;}{\*\cs10 Default;}}
{\info{\title Harbour fees}{\author Ad\'e0}{\creatim\yr2024\mo5\dy1\hr6\min0}{\*\company nobody}}
{\header\pard Port of X \chpgn\par}{\footer\pard Confidential\par}
\pard\plain\s1 Fees rise\par
\pard\plain {\b Inter}national fees rise{\footnote\pard\plain Since May.}{\*\atnauthor Bob}{\*\annotation\pard Really?}, see
 {\field{\*\fldinst HYPERLINK "https://h.example/a"}{\fldrslt the table}}.\line New line {\v hidden}\u8364?\u-10179\u-8704 \'80\'80\par
{\f1 \'cf\'f0\'e8\'e2\'e5\'f2} {\f3 \'8c\'be\'8c\'ea}{\upr{old}{\*\ud{new}}}\par
\pard{\listtext\f2\'b7\tab}\ilvl0 Boats\par{\listtext 1)\tab}Ships\par
\trowd\pard\intbl Boat\cell Fee\cell\row\trowd\pard\intbl small\par boat\cell 3\cell\row
\pard{\shp{\*\shpinst{\sp{\sn x}{\sv y}}{\shptxt\pard In a box\par}}{\shprslt In a box}}{\*\unknown gone}{\pict 0badc0de}Last \{brace\}\par}"#;

/// Data and markup, by the names that such files have.
pub const TEXTS: &[(&str, &str)] = &[
    ("fees.csv", "Pier;From;Fee\n\"North; East\";2024-05-01;3\nSouth;2024-05-02;4\n"),
    ("fees.tsv", "Pier\tFee\nNorth\t3\n"),
    (
        "fees.json",
        r#"{"port": "X", "fees": [{"pier": "North", "fee": 3.5}, {"pier": "South", "tags": ["a", "b"]}]}"#,
    ),
    ("fees.jsonl", "{\"pier\": \"North\"}\n{\"pier\": \"South\"}\n"),
    ("fees.yaml", "port: X\nfees:\n  - pier: North\n    fee: 3\n  - pier: South\n"),
    ("fees.toml", "port = 'X'\n[[fees]]\npier = 'North'\nfee = 3\n"),
    (
        "fees.xml",
        "<?xml version='1.0'?><port name='X'><fee><title>North</title><sum cur='EUR'>3</sum></fee><fee><title>South</title><p>Four <b>or</b> five</p></fee></port>",
    ),
];
