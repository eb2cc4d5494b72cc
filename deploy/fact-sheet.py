#!/usr/bin/env python3
"""Makes samples/fact-sheet.pdf: pip install reportlab==4.2.5 && python3 deploy/fact-sheet.py

One sentence a line: text from a PDF keeps its lines, and answers quote sentences.
The same input gives the same bytes.
"""
from pathlib import Path

from reportlab.lib.pagesizes import A4
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.pdfgen.canvas import Canvas

MARGIN = 56
WIDTH, HEIGHT = A4

PAGES = [
    ("Ragstream fact sheet", "Names and addresses", [
        ("Topics", [
            "The topic doc-ingest-requests holds uploaded documents that wait for ingestion.",
            "The topic chunk-processing holds chunks that wait for their embedding.",
            "The topic chunk-embeddings holds chunks with their vectors, commit markers and tombstones.",
            "The topic document-lifecycle is public and is for what happens to documents.",
            "The topic query-requests is for questions that run as jobs.",
            "Each topic that is consumed has a dead-letter topic of the same name that ends in .dlq.",
            "Records are protobuf messages, and the header x-message-type names the message.",
        ]),
        ("Ports", [
            "The API of the gateway listens on port 8000.",
            "The Kafka UI listens on port 9000 and shows the records of every topic decoded.",
            "The console of MinIO listens on port 9001.",
            "Prometheus listens on port 9090 and Grafana on port 3000.",
            "Query nodes serve on port 8010, ingestion on 8020 and embedding on 8030.",
        ]),
        ("Tables", [
            "The table documents has a row for each document, with the facts of its current version.",
            "The table document_jobs has a row for each version, with the stage of its processing.",
            "The table document_chunks has a row for each chunk, with its status.",
            "A chunk is pending, embedded, indexed or failed, and never goes back by itself.",
        ]),
    ]),
    ("Ragstream fact sheet", "Sizes and limits", [
        ("Documents", [
            "A file may have 5 GiB, and one request may bring 1000 files.",
            "A consistency token may be waited for 30 seconds at most.",
            "A child process that extracts text gets 1 GiB of memory and 120 seconds.",
            "Extraction of one document is begun ten times at most, whatever happens to it.",
        ]),
        ("Chunks and vectors", [
            "A chunk is 200 tokens large at most and shares up to 20 tokens with the one before.",
            "The embedding model is all-MiniLM-L6-v2, and its vectors have 384 dimensions.",
            "The preset tokens_500_50 fills what the model reads, which is 254 tokens.",
            "Up to 15000 chunks are searched exactly; beyond that a proximity graph is built.",
        ]),
        ("The log", [
            "A topic has 12 partitions, and a dead-letter topic has one.",
            "Work is kept for 14 days, and dead letters are kept for 180 days.",
            "Tombstones are kept for 30 days: a query node that was away longer must be rebuilt.",
            "A record may have 4 MiB with key, value and headers.",
            "A failing message is tried five times before it becomes a dead letter.",
        ]),
        ("Processes", [
            "A query node writes a snapshot every 60 seconds if something has changed.",
            "A process that is told to stop finishes its work within 25 seconds.",
            "A bad configuration ends a process with exit code 64.",
        ]),
    ]),
]


def main():
    path = Path(__file__).resolve().parent.parent / "samples" / "fact-sheet.pdf"
    canvas = Canvas(str(path), pagesize=A4, invariant=1)
    canvas.setTitle("Ragstream fact sheet")
    canvas.setSubject("Names, addresses, sizes and limits")
    for title, subtitle, sections in PAGES:
        y = HEIGHT - 72

        def line(text, font, size, leading):
            nonlocal y
            room = WIDTH - 2 * MARGIN
            assert stringWidth(text, font, size) <= room, f"too long for a line: {text}"
            canvas.setFont(font, size)
            canvas.drawString(MARGIN, y, text)
            y -= leading

        line(title, "Helvetica-Bold", 18, 24)
        line(subtitle, "Helvetica", 13, 30)
        for heading, sentences in sections:
            line(heading, "Helvetica-Bold", 12, 20)
            for sentence in sentences:
                line(sentence, "Helvetica", 10, 16)
            y -= 14
        canvas.showPage()
    canvas.save()


if __name__ == "__main__":
    main()
