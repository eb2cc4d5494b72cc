"""Ragstream's extraction against the usual Python extractors, on the same files in one run.

    python compare.py --ragstream BIN --manifest MANIFEST [--rounds N] [--json FILE]

MANIFEST is a table with tabs; paths in it are relative to its folder. Columns that are looked at: `path`, `expect` (`ok`:
text must come out), `must_include` and `must_not_include` (JSON lists of strings), `min_chars`. `make.py` writes such a
folder.

Everything runs on one core, one file at a time. A round reads every file once with each extractor, in an order that turns
from round to round, so that whatever else the machine does hits all of them. Python extractors stay in one process each,
which has read the smallest file of each format before the first round: no start and no import is counted. Ragstream is measured both as
it runs (`ragstream`: a forked, locked-in process for every file, which is counted) and without processes (`in process`). The
time of a file is the best of its rounds. Then each file once more with a new Python process (`--cold`), as isolation like
Ragstream's would cost.
"""

import argparse
import csv
import json
import math
import os
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time
import unicodedata
from pathlib import Path

# An extractor that has not ended by then has failed.
TIMEOUT_S = 120
CHILD, READERS = "ragstream", "ragstream, in process"


# --- the extractors, as their documentation and the loaders of LangChain and LlamaIndex use them ---


def pypdf_text(path):
    import pypdf

    return "\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)


def pdfminer_text(path):
    from pdfminer.high_level import extract_text

    return extract_text(path)


def pymupdf_text(path):
    import pymupdf

    with pymupdf.open(path) as document:
        return "\n".join(page.get_text() for page in document)


def pypdfium2_text(path):
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    return "\n".join(page.get_textpage().get_text_range() for page in document)


def docx2txt_text(path):
    import docx2txt

    return docx2txt.process(path)


def python_docx_text(path):
    import docx

    lines = []
    for block in docx.Document(path).iter_inner_content():
        if hasattr(block, "rows"):
            lines += ["\t".join(cell.text for cell in row.cells) for row in block.rows]
        else:
            lines.append(block.text)
    return "\n".join(lines)


def python_pptx_text(path):
    import pptx

    lines = []
    for slide in pptx.Presentation(path).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                lines.append(shape.text_frame.text)
            if shape.has_table:
                lines += ["\t".join(cell.text for cell in row.cells) for row in shape.table.rows]
        if slide.has_notes_slide:
            lines.append(slide.notes_slide.notes_text_frame.text)
    return "\n".join(lines)


def openpyxl_text(path):
    import openpyxl

    book = openpyxl.load_workbook(path, read_only=True, data_only=True)
    rows = (row for sheet in book for row in sheet.iter_rows(values_only=True))
    return "\n".join("\t".join("" if cell is None else str(cell) for cell in row) for row in rows)


def markitdown_text(path):
    global _markitdown
    if "_markitdown" not in globals():
        from markitdown import MarkItDown

        _markitdown = MarkItDown()
    return _markitdown.convert(path).text_content


EXTRACTORS = {
    "pypdf": (pypdf_text, {"pdf"}),
    "pdfminer.six": (pdfminer_text, {"pdf"}),
    "PyMuPDF": (pymupdf_text, {"pdf"}),
    "pypdfium2": (pypdfium2_text, {"pdf"}),
    "docx2txt": (docx2txt_text, {"docx"}),
    "python-docx": (python_docx_text, {"docx"}),
    "python-pptx": (python_pptx_text, {"pptx"}),
    "openpyxl": (openpyxl_text, {"xlsx"}),
    "markitdown": (markitdown_text, {"pdf", "docx", "pptx", "xlsx", "html", "epub"}),
}


# --- one of them in a process of its own ---


def serve(name, path=None):
    """Reads the file `path`, or each file that standard input names; answers with a line of JSON each."""
    extract = EXTRACTORS[name][0]
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints is no answer
    for line in [path] if path else sys.stdin:
        began = time.perf_counter()
        try:
            answer = {"text": extract(line.strip())}
        except Exception as error:  # whatever a parser raises is a failure of the file
            answer = {"error": type(error).__name__}
        answer["seconds"] = time.perf_counter() - began
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def command(name):
    return [sys.executable, "-W", "ignore", __file__, "--serve", name]


class Worker:
    """A Python extractor, started and warm."""

    def __init__(self, name):
        self.name, self.process = name, None

    def read(self, path):
        if self.process is None:
            self.process = subprocess.Popen(
                command(self.name), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        self.process.stdin.write(f"{path}\n".encode())
        self.process.stdin.flush()
        ready, _, _ = select.select([self.process.stdout], [], [], TIMEOUT_S)
        line = self.process.stdout.readline() if ready else b""
        if line:
            return json.loads(line)
        self.stop()
        return {"error": "timeout" if not ready else "crash", "seconds": TIMEOUT_S}

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdin.close()
            self.process.stdout.close()
        self.process = None


def cold(name, path):
    """Seconds of a new process that reads one file, its start and imports included."""
    began = time.perf_counter()
    try:
        subprocess.run(command(name) + [str(path)], capture_output=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        pass
    return time.perf_counter() - began


def ragstream(binary, folder, in_process, out):
    """All files once; the report by path. Texts go to `out`."""
    call = [binary, "bench", "extract", folder, "--jobs", "1", "--json", "--out", out]
    done = subprocess.run(call + ["--in-process"] * in_process, capture_output=True, check=False)
    if done.returncode:
        sys.exit(f"compare.py: {binary} failed: {done.stderr.decode(errors='replace').strip()}")
    return {file["path"]: file for file in json.loads(done.stdout)["files"]}


# --- what came out ---


def normal(text):
    """Without whitespace and case, as every extractor has its own; the same for all of them."""
    return re.sub(r"\s+", "", unicodedata.normalize("NFKC", text)).casefold().replace("\u00ad", "")


class File:
    """A row of the manifest."""

    def __init__(self, row):
        self.path = row["path"]
        self.kind = self.path.rsplit(".", 1)[-1].lower()
        self.readable = row["expect"] == "ok"
        self.must = [normal(text) for text in json.loads(row["must_include"] or "[]")]
        self.must_not = [normal(text) for text in json.loads(row["must_not_include"] or "[]")]
        self.min_chars = int(row.get("min_chars") or 1)

    def score(self, text):
        """How many of the strings are there, and whether this is the file's text: four of five and nothing wrong."""
        found = normal(text or "")
        hits = sum(string in found for string in self.must)
        wrong = any(string in found for string in self.must_not)
        whole = hits >= 0.8 * len(self.must) and not wrong and len((text or "").strip()) >= self.min_chars
        return hits, whole


def manifest(path, kinds):
    csv.field_size_limit(10**9)
    with open(path, encoding="utf-8", newline="") as table:
        rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    files = [File(row) for row in rows]
    return [file for file in files if file.kind in kinds]


def measure(args, files, folder, scratch):
    """{extractor: {path: {"seconds": [...], "text" or "error", "cold": seconds}}}, and pages by path."""
    kinds = {file.kind for file in files}
    names = [name for name in EXTRACTORS if EXTRACTORS[name][1] & kinds and name not in args.without]
    workers = {name: Worker(name) for name in names}
    results = {name: {} for name in [CHILD, READERS, *names]}
    pages = {}

    def mine(name):
        return [file.path for file in files if file.kind in EXTRACTORS[name][1]]

    def note(name, path, answer):
        entry = results[name].setdefault(path, {"seconds": []})
        entry["seconds"].append(answer["seconds"])
        entry.update({key: answer[key] for key in ("text", "error") if key in answer})

    def warm_up(name):
        for kind in EXTRACTORS[name][1] & kinds:
            sizes = {file.path: (folder / file.path).stat().st_size for file in files if file.kind == kind}
            workers[name].read(folder / min(sizes, key=sizes.get))

    def read_all(name):
        if name not in EXTRACTORS:
            out = scratch / "texts"
            report = ragstream(args.ragstream, folder, name == READERS, out)
            for file in files:
                measured = report[file.path]
                text = out / (file.path.replace("/", "_") + ".txt")
                answer = {"seconds": measured["seconds"]}
                if "failure" in measured:
                    answer["error"] = measured["failure"]["class"]
                else:
                    answer["text"] = text.read_text(encoding="utf-8")
                    pages[file.path] = measured["pages"]
                note(name, file.path, answer)
            return
        for path in mine(name):
            note(name, path, workers[name].read(folder / path))

    order = list(results)
    try:
        for name in names:
            warm_up(name)
        for turn in range(args.rounds):
            print(f"round {turn + 1} of {args.rounds}", file=sys.stderr)
            for name in order[turn % len(order) :] + order[: turn % len(order)]:
                read_all(name)
    finally:
        for worker in workers.values():
            worker.stop()
    if args.cold:
        print("cold", file=sys.stderr)
        for name in names:
            for path in mine(name):
                results[name][path]["cold"] = cold(name, folder / path)
    return results, pages


# --- the tables ---


def ratio(value):
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}"


def summary(results, pages, files):
    """A row for each kind of file and extractor. Times are compared on files that both gave text for."""
    rows = []
    for kind in sorted({file.kind for file in files}):
        those = [file for file in files if file.kind == kind]
        for name, by_path in results.items():
            if not any(file.path in by_path for file in those):
                continue
            hits = strings = whole = 0
            times, speedups = [], {CHILD: {}, READERS: {}}
            cold_times, cold_ours, page_count = [], [], 0
            for file in those:
                entry = by_path[file.path]
                if file.readable:
                    got, good = file.score(entry.get("text"))
                    hits, strings, whole = hits + got, strings + len(file.must), whole + good
                ours = results[CHILD][file.path]
                if not (entry.get("text") or "").strip() or "text" not in ours:
                    continue
                best = min(entry["seconds"])
                times.append(best)
                page_count += pages.get(file.path, 0)
                for mine in speedups:
                    speedups[mine][file.path] = best, min(results[mine][file.path]["seconds"])
                if "cold" in entry:
                    cold_times.append(entry["cold"])
                    cold_ours.append(min(ours["seconds"]))
            row = {
                "kind": kind,
                "extractor": name,
                "strings": hits,
                "of": strings,
                "whole": whole,
                "readable": sum(file.readable for file in those),
                "timed": len(times),
                "seconds": sum(times),
                "pages_per_second": page_count / sum(times) if page_count and times else None,
            }
            for mine, key in ((CHILD, "child"), (READERS, "readers")):
                pairs = {path: theirs / own for path, (theirs, own) in speedups[mine].items()}
                if not pairs:
                    continue
                row[f"{key}_ratio"] = sum(times) / sum(own for _, own in speedups[mine].values())
                row[f"{key}_mean"] = math.exp(sum(map(math.log, pairs.values())) / len(pairs))
                row[f"{key}_least"] = min(pairs.items(), key=lambda pair: pair[1])
            if cold_times:
                row["cold_ratio"] = sum(cold_times) / sum(cold_ours)
            rows.append(row)
    return rows


def show(rows):
    print("| format | extractor | files whole | strings | ms | pages/s | time as a multiple of Ragstream's | "
          "smallest | of its readers alone | with a process each |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for row in rows:
        own = row["extractor"] in (CHILD, READERS)
        cells = [
            row["kind"],
            row["extractor"],
            f"{row['whole']}/{row['readable']}",
            f"{row['strings']}/{row['of']}",
            f"{row['seconds'] * 1e3:.1f} ({row['timed']})",
            f"{row['pages_per_second']:.0f}" if row["pages_per_second"] else "",
        ]
        if own or "child_ratio" not in row:
            cells += [""] * 4
        else:
            least_path, least = row["child_least"]
            cells += [
                ratio(row["child_ratio"]),
                f"{ratio(least)} ({least_path.rsplit('/', 1)[-1]})",
                ratio(row["readers_ratio"]),
                ratio(row["cold_ratio"]) if "cold_ratio" in row else "",
            ]
        print("| " + " | ".join(cells) + " |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ragstream", metavar="BIN", help="a release build")
    parser.add_argument("--manifest", metavar="MANIFEST", type=Path)
    parser.add_argument("--rounds", metavar="N", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="also a new Python process for each file")
    parser.add_argument("--formats", metavar="LIST", help="only these, as pdf,docx")
    parser.add_argument("--without", metavar="NAME", action="append", default=[], help="leave this extractor out")
    parser.add_argument("--json", metavar="FILE", help="write every time and failure to this file")
    parser.add_argument("--serve", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.serve:
        return serve(*args.serve)
    if not args.ragstream or not args.manifest or args.rounds < 1:
        parser.error("give --ragstream, --manifest and at least one round")
    if not args.manifest.is_file():
        parser.error(f"there is no manifest {args.manifest}")

    for name in args.without:
        if name not in EXTRACTORS:
            parser.error(f"there is no extractor {name}: there are {', '.join(EXTRACTORS)}")
    kinds = set().union(*(kinds for _, kinds in EXTRACTORS.values()))
    if args.formats:
        kinds &= set(args.formats.split(","))
    files = manifest(args.manifest, kinds)
    if not files:
        parser.error(f"the manifest names no file of {', '.join(sorted(kinds))}")

    # Children inherit it: one core for everybody.
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        folder = scratch / "files"
        for file in files:
            (folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(args.manifest.parent / file.path, folder / file.path)
        results, pages = measure(args, files, folder, scratch)

    rows = summary(results, pages, files)
    show(rows)
    for name, by_path in results.items():
        failed = {path: entry["error"] for path, entry in by_path.items() if "error" in entry}
        if failed:
            print(f"\n{name} failed: " + ", ".join(f"{path} ({error})" for path, error in sorted(failed.items())))
    if args.json:
        for by_path in results.values():
            for entry in by_path.values():
                entry["text_chars"] = len(entry.pop("text", None) or "")
        Path(args.json).write_text(json.dumps({"summary": rows, "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
