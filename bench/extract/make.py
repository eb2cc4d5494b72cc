"""Office files and PDFs of a known text, and the manifest that says what must come out of them.

    python make.py DIR

The same text each time, for `compare.py --manifest DIR/manifest.tsv`.
"""

import json
import random
import sys
from pathlib import Path

import docx
import openpyxl
import pptx
import pymupdf
from pptx.util import Inches

WORDS = """harbour ledger ferry tide captain cargo warehouse invoice lantern bridge winter signal orchard market
council river engine timber copper railway village keeper archive treaty island quarter mason weather glass
steady quiet northern careful ancient narrow early common distant plain carries reports follows repairs counts
opens measures crosses keeps returns between under after along without before because while""".split()


class Author:
    """Sentences that differ, and some of them by which a reader is checked."""

    def __init__(self, seed):
        self.random, self.checked = random.Random(seed), []

    def sentence(self):
        words = self.random.choices(WORDS, k=self.random.randint(8, 18))
        return f"{' '.join(words).capitalize()} {self.random.randint(1000, 9999)}."

    def paragraph(self, sentences=5):
        text = " ".join(self.sentence() for _ in range(sentences))
        if not self.checked or self.random.random() < 0.2:
            self.checked.append(text[: text.index(".") + 1])
        return text

    def checks(self):
        return self.checked[:: max(1, len(self.checked) // 20)]


def pdf(path, author, pages):
    document = pymupdf.open()
    for number in range(1, pages + 1):
        page = document.new_page()
        text = f"Section {number}\n\n" + "\n\n".join(author.paragraph() for _ in range(6))
        page.insert_textbox(pymupdf.Rect(60, 60, 535, 780), text, fontname="tiro", fontsize=10)
    document.save(path, deflate=True, garbage=3)


def word(path, author, paragraphs):
    document = docx.Document()
    for number in range(paragraphs):
        if number % 12 == 0:
            document.add_heading(author.sentence(), level=1 + number // 12 % 3)
        document.add_paragraph(author.paragraph())
        if number % 40 == 20:
            table = document.add_table(rows=0, cols=4)
            for _ in range(10):
                for cell, text in zip(table.add_row().cells, (author.sentence() for _ in range(4))):
                    cell.text = text
    document.save(path)


def slides(path, author, count):
    show = pptx.Presentation()
    for _ in range(count):
        slide = show.slides.add_slide(show.slide_layouts[1])
        slide.shapes.title.text = author.sentence()
        slide.placeholders[1].text = author.paragraph()
        table = slide.shapes.add_table(4, 3, Inches(1), Inches(5), Inches(8), Inches(2)).table
        for row in table.rows:
            for cell in row.cells:
                cell.text = author.sentence()
    show.save(path)


def sheet(path, author, rows):
    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet("Deliveries")
    page.append(["number", "what", "from", "weight", "price", "paid"])
    for number in range(rows):
        what = author.sentence()
        if number % (rows // 20) == 0:
            author.checked.append(what)
        price = author.random.randint(100, 99_999) / 100
        page.append([number, what, author.random.choice(WORDS), author.random.randint(1, 999), price, number % 3 == 0])
    book.save(path)


FILES = [
    ("letter.pdf", pdf, 2),
    ("report.pdf", pdf, 100),
    ("book.pdf", pdf, 300),
    ("letter.docx", word, 8),
    ("report.docx", word, 400),
    ("book.docx", word, 1500),
    ("talk.pptx", slides, 60),
    ("deliveries.xlsx", sheet, 20_000),
]


def main():
    if len(sys.argv) != 2:
        sys.exit("make.py: give the folder that the files go to")
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["path", "expect", "must_include", "must_not_include", "min_chars"]
    rows = ["\t".join(columns)]
    for seed, (name, make, size) in enumerate(FILES):
        author = Author(seed)
        make(folder / name, author, size)
        rows.append("\t".join([name, "ok", json.dumps(author.checks()), "[]", "1"]))
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
