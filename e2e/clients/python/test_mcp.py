"""The Model Context Protocol's client over streamable HTTP, unchanged."""

import unittest

import mcp
import support


class McpClient(unittest.IsolatedAsyncioTestCase):
    async def test_a_document_is_uploaded_found_and_asked_about(self):
        collection = support.unique("mcp-python")
        async with mcp.Client(f"{support.URL}/mcp") as client:
            tools = {tool.name for tool in (await client.list_tools()).tools}
            self.assertEqual(tools, {"ask", "document_status", "list_documents", "search", "upload_document"})

            note = {"filename": "lights.md", "text": support.FACT, "collection": collection}
            uploaded = (await client.call_tool("upload_document", note)).structured_content
            support.complete(uploaded["job_id"])

            question = {"query": support.QUESTION, "collection": collection, "min_token": uploaded["consistency_token"]}
            found = (await client.call_tool("search", question)).structured_content
            self.assertEqual(found["passages"][0]["document_id"], uploaded["document_id"])

            asked = await client.call_tool("ask", {"question": support.QUESTION, "collection": collection})
            self.assertRegex(asked.content[0].text, r"(?s)14 March 1901.*\[1\] lights\.md")

            refused = await client.call_tool("search", {"query": "light", "top_k": 0})
            self.assertTrue(refused.is_error)
            self.assertIn("top_k", refused.content[0].text)
