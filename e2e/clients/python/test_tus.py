"""The tus client, unchanged."""

import hashlib
import io
import os
import unittest
import wave

import support
from tusclient.client import TusClient

MIB = 1 << 20


class Tus(unittest.TestCase):
    def test_an_upload_that_was_stopped_is_resumed_where_it_was(self):
        # A sound: large to send, and little to read.
        file = io.BytesIO()
        with wave.open(file, "wb") as sound:
            sound.setparams((1, 1, 8000, 0, "NONE", ""))
            sound.writeframes(os.urandom(12 * MIB))
        file = file.getvalue()
        metadata = {"filename": "large.wav", "collection": support.unique("tus-python")}
        client = TusClient(f"{support.URL}/api/v2/uploads")
        stopped = client.uploader(file_stream=io.BytesIO(file), chunk_size=5 * MIB, metadata=metadata)
        stopped.upload_chunk()
        self.assertEqual(stopped.offset, 5 * MIB)

        resumed = client.uploader(file_stream=io.BytesIO(file), chunk_size=5 * MIB, url=stopped.url)
        self.assertEqual(resumed.offset, 5 * MIB)
        resumed.upload()
        ended = support.get(stopped.url)
        document = support.get(f"{support.URL}/api/v2/documents/{ended['file']['document_id']}")
        self.assertEqual(document["sha256"], hashlib.sha256(file).hexdigest())
