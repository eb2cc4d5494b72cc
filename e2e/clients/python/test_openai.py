"""OpenAI's client, with nothing changed but its address."""

import unittest

import openai
import support

FACT, QUESTION = support.FACT, support.QUESTION
MESSAGES = [{"role": "user", "content": QUESTION}]


class OpenAiClient(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        collection = support.unique("openai-python")
        support.upload(collection, f"# Lights\n\n{FACT}\n")
        cls.where = {"ragstream": {"collection": collection}}
        cls.client = openai.OpenAI(base_url=f"{support.URL}/v1", api_key="unused", max_retries=0)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def test_a_chat_completion_is_answered_from_the_documents(self):
        answer = self.client.chat.completions.create(model="ragstream", messages=MESSAGES, extra_body=self.where)
        self.assertRegex(answer.choices[0].message.content, r"14 March 1901.*\[1\]")
        self.assertEqual(answer.citations[0]["quote"], FACT)

    def test_a_stream_says_the_same_piece_by_piece(self):
        stream = self.client.chat.completions.create(
            model="ragstream", messages=MESSAGES, extra_body=self.where, stream=True)
        chunks = list(stream)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        self.assertRegex(text, r"14 March 1901.*\[1\]")
        self.assertEqual([chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason], ["stop"])

    def test_a_follow_up_is_understood_with_what_was_said(self):
        said = [*MESSAGES, {"role": "assistant", "content": FACT}, {"role": "user", "content": "Of which place?"}]
        answer = self.client.chat.completions.create(
            model="ragstream", messages=[{"role": "system", "content": "Be brief."}, *said], extra_body=self.where)
        self.assertIn("Brant Point", answer.choices[0].message.content)

    def test_embeddings_come_as_bytes_too(self):
        names = [model.id for model in self.client.models.list()]
        model = next(name for name in names if not name.startswith(("ragstream", "persona-")))
        # By itself the client asks for base64 and decodes it.
        packed = self.client.embeddings.create(model=model, input="a lamp at sea").data[0].embedding
        plain = self.client.embeddings.create(model=model, input=["a lamp at sea"], encoding_format="float")
        self.assertEqual(len(packed), len(plain.data[0].embedding))
        self.assertTrue(all(abs(a - b) < 1e-6 for a, b in zip(packed, plain.data[0].embedding)))
        with self.assertRaisesRegex(openai.UnprocessableEntityError, "tokens"):
            self.client.embeddings.create(model=model, input="word " * 1000)

    def test_what_is_wrong_is_an_error_of_the_clients_own_kind(self):
        with self.assertRaises(openai.NotFoundError) as caught:
            self.client.chat.completions.create(model="gpt-4", messages=MESSAGES)
        self.assertEqual(caught.exception.code, "model_not_found")
        with self.assertRaisesRegex(openai.BadRequestError, "text"):
            self.client.chat.completions.create(
                model="ragstream", messages=MESSAGES, response_format={"type": "json_object"})
        with self.assertRaisesRegex(openai.UnprocessableEntityError, "temperature"):
            self.client.chat.completions.create(model="ragstream", messages=MESSAGES, temperature=9)
