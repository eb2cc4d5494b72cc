"""What the tests share: the node, and documents that nobody else has."""

import os
import time
import uuid

import requests

URL = os.environ["RAGSTREAM_URL"]
FACT = "The lighthouse of Brant Point was lit again on 14 March 1901."
QUESTION = "When was the lighthouse of Brant Point lit again?"
DEADLINE_S = 120


def unique(name):
    """A name that no other run has."""
    return f"{name}-{uuid.uuid4()}"


def get(address):
    """What lies at an address, as JSON."""
    answer = requests.get(address, headers={"accept": "application/json"}, timeout=30)
    answer.raise_for_status()
    return answer.json()


def upload(collection, text):
    """Uploads a text, and waits until it is searchable."""
    answer = requests.post(
        f"{URL}/api/v2/documents/upload", data={"collection": collection}, files={"file": ("note.md", text)}, timeout=30)
    assert answer.status_code == 202, answer.text
    complete(answer.json()["job_id"])


def complete(job):
    """Waits for the end of a job."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        status = get(f"{URL}/api/v2/documents/status/{job}")
        if status["stage"] == "complete":
            return
        assert status["stage"] != "failed", status
        time.sleep(0.1)
    raise AssertionError(f"job {job} did not end")
