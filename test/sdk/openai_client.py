"""The official OpenAI client for Python against a running gateway; test/sdk/python.test.mjs starts both."""

import asyncio
import base64
import json
import os
import struct
import time
import unittest
import urllib.request

import openai
from openai import AsyncOpenAI, AzureOpenAI, OpenAI

URL = os.environ["TURNPIKE_URL"]
KEY = os.environ["TURNPIKE_KEY"]
NARROW_KEY = os.environ["TURNPIKE_NARROW_KEY"]
SPENT_KEY = os.environ["TURNPIKE_SPENT_KEY"]
PROVIDER = os.environ["PROVIDER_URL"]
HI = [{"role": "user", "content": "hi"}]
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "description": "The weather of a city",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]
CITIES = [{"city": "Town 0"}, {"city": "Town 1"}]


def client(**options):
    return OpenAI(**{"base_url": URL + "/v1", "api_key": KEY, "max_retries": 0, **options})


def account():
    with urllib.request.urlopen(PROVIDER + "/account") as reply:
        return json.load(reply)


class HangingUp:
    """One call inside is left unfinished, and the provider notices."""

    def __enter__(self):
        self.before = account()["aborted"]

    def __exit__(self, kind, error, trace):
        if error is not None:
            return
        end = time.monotonic() + 10
        while time.monotonic() < end:
            now = account()
            if now["aborted"] == self.before + 1 and now["open"] == 0:
                return
            time.sleep(0.01)
        raise AssertionError(f"the provider was not hung up upon: {now}")


def nano(text):
    """Dollars as decimal text to whole nanodollars."""
    whole, _, fraction = text.partition(".")
    return int(whole) * 10**9 + int(fraction.ljust(9, "0"))


class Calls(unittest.TestCase):
    def test_chat(self):
        for base in (URL + "/v1", URL):
            answer = client(base_url=base).chat.completions.create(model="gpt", messages=HI)
            self.assertEqual(answer.model, "gpt")
            self.assertEqual(answer.choices[0].finish_reason, "stop")
            self.assertEqual(len(answer.choices[0].message.content.split()), 16)
            self.assertEqual(answer.usage.completion_tokens, 16)
            self.assertTrue(answer._request_id)

    def test_raw_response(self):
        raw = client().chat.completions.with_raw_response.create(model="gpt", messages=HI)
        answer = raw.parse()
        cost = answer.usage.prompt_tokens * 1000 + answer.usage.completion_tokens * 2000
        self.assertEqual(nano(raw.headers["x-litellm-response-cost"]), cost)
        self.assertEqual(raw.headers["x-request-id"], raw.request_id)
        for name in ("x-litellm-call-id", "x-litellm-version", "x-litellm-model-id", "x-litellm-key-spend"):
            self.assertTrue(raw.headers.get(name), name)

    def test_stream_without_usage(self):
        chunks = list(client().chat.completions.create(model="gpt", messages=HI, stream=True))
        text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
        self.assertEqual(len(text.split()), 16)
        self.assertTrue(all(chunk.usage is None and len(chunk.choices) == 1 for chunk in chunks))
        self.assertEqual([c.choices[0].finish_reason for c in chunks], [None] * (len(chunks) - 1) + ["stop"])
        self.assertEqual([c.choices[0].delta.role for c in chunks if c.choices[0].delta.role], ["assistant"])
        self.assertEqual(len({(c.id, c.model, c.created) for c in chunks}), 1)

    def test_stream_with_usage(self):
        options = {"include_usage": True}
        chunks = list(client().chat.completions.create(model="gpt", messages=HI, stream=True, stream_options=options))
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, 16)
        self.assertEqual(len([chunk for chunk in chunks if chunk.usage]), 1)

    def test_stream_helper(self):
        with client().chat.completions.stream(model="gpt", messages=HI) as stream:
            kinds = {event.type for event in stream}
            whole = stream.get_final_completion()
        self.assertIn("content.done", kinds)
        self.assertEqual(whole.choices[0].finish_reason, "stop")

    def test_tool_calls(self):
        answer = client().chat.completions.create(model="tools", messages=HI, tools=TOOLS)
        message = answer.choices[0].message
        self.assertEqual(answer.choices[0].finish_reason, "tool_calls")
        self.assertEqual([json.loads(call.function.arguments) for call in message.tool_calls], CITIES)
        results = [{"role": "tool", "tool_call_id": call.id, "content": "sunny"} for call in message.tool_calls]
        after = client().chat.completions.create(model="gpt", messages=[*HI, message, *results], tools=TOOLS)
        self.assertEqual(after.choices[0].finish_reason, "stop")

    def test_tool_calls_streamed(self):
        parts = {}
        names = {}
        for chunk in client().chat.completions.create(model="tools", messages=HI, tools=TOOLS, stream=True):
            for call in chunk.choices[0].delta.tool_calls or []:
                parts[call.index] = parts.get(call.index, "") + (call.function.arguments or "")
                names.setdefault(call.index, call.function.name)
        self.assertEqual([json.loads(parts[index]) for index in sorted(parts)], CITIES)
        self.assertEqual(names, {0: "get_weather", 1: "get_weather"})

    def test_embeddings(self):
        # Without a format the client asks for base64 and decodes it.
        default = client().embeddings.create(model="embed", input=["a", "b"])
        wire = client().embeddings.create(model="embed", input=["a", "b"], encoding_format="base64")
        self.assertEqual(len(default.data), 2)
        self.assertGreater(default.usage.prompt_tokens, 0)
        for ours, theirs in zip(default.data, wire.data, strict=True):
            raw = base64.b64decode(theirs.embedding)
            self.assertEqual(list(ours.embedding), list(struct.unpack(f"<{len(raw) // 4}f", raw)))
        floats = client().embeddings.create(model="embed", input="a", encoding_format="float", dimensions=3)
        self.assertEqual(len(floats.data[0].embedding), 3)

    def test_models(self):
        self.assertIn("gpt", [model.id for model in client().models.list()])
        self.assertEqual([model.id for model in client(api_key=NARROW_KEY).models.list()], ["gpt"])
        self.assertEqual(client().models.retrieve("gpt").id, "gpt")
        with self.assertRaises(openai.NotFoundError):
            client().models.retrieve("gtp")

    def test_text_completions(self):
        whole = client().completions.create(model="gpt", prompt="hi", max_tokens=4)
        self.assertEqual(len(whole.choices[0].text.split()), 4)
        chunks = list(client().completions.create(model="gpt", prompt="hi", max_tokens=4, stream=True))
        self.assertEqual(len("".join(c.choices[0].text for c in chunks).split()), 4)
        self.assertTrue(all(chunk.usage is None for chunk in chunks))

    def test_extra_body_and_headers(self):
        call_id = f"python-{time.time_ns()}"
        raw = client().chat.completions.with_raw_response.create(
            model="gpt",
            messages=HI,
            extra_body={"metadata": {"tags": ["a"]}, "fake": {"tokens": 3}},
            extra_headers={"x-litellm-call-id": call_id},
        )
        self.assertEqual(raw.parse().usage.completion_tokens, 3)
        self.assertEqual(raw.headers["x-litellm-call-id"], call_id)

    def test_azure(self):
        azure = AzureOpenAI(azure_endpoint=URL, api_key=KEY, api_version="2025-04-01-preview", max_retries=0)
        self.assertEqual(azure.chat.completions.create(model="gpt", messages=HI).model, "gpt")
        chunks = list(azure.chat.completions.create(model="gpt", messages=HI, stream=True))
        self.assertEqual(chunks[-1].choices[0].finish_reason, "stop")
        self.assertEqual(len(azure.embeddings.create(model="embed", input=["a"]).data), 1)
        self.assertIn("gpt", [model.id for model in azure.models.list()])


class Errors(unittest.TestCase):
    def chat(self, model, stream=False, **options):
        return client(**options).chat.completions.create(model=model, messages=HI, stream=stream)

    def check(self, kind, status, message, call):
        with self.assertRaises(kind) as caught:
            call()
        self.assertIs(type(caught.exception), kind)
        self.assertEqual(caught.exception.status_code, status)
        self.assertRegex(str(caught.exception), message)
        self.assertIsInstance(caught.exception.body, dict)
        return caught.exception

    def test_ours(self):
        wrong = {"api_key": "sk-wrong-0123456789abcdef"}
        text = "Invalid proxy server token"
        error = self.check(openai.AuthenticationError, 401, text, lambda: self.chat("gpt", **wrong))
        self.assertEqual(error.type, "token_not_found_in_db")
        denied = self.check(openai.PermissionDeniedError, 403, "tools", lambda: self.chat("tools", api_key=NARROW_KEY))
        self.assertEqual(denied.type, "key_model_access_denied")
        self.check(openai.BadRequestError, 400, "Invalid model name", lambda: self.chat("gtp"))
        self.check(openai.NotFoundError, 404, "nope", lambda: client().post("/nope", body={}, cast_to=object))

    def test_providers(self):
        kinds = {
            400: openai.BadRequestError,
            401: openai.AuthenticationError,
            403: openai.PermissionDeniedError,
            404: openai.NotFoundError,
            422: openai.UnprocessableEntityError,
            429: openai.RateLimitError,
            500: openai.InternalServerError,
            502: openai.InternalServerError,
            503: openai.InternalServerError,
        }
        for status, kind in kinds.items():
            with self.subTest(status=status):
                error = self.check(kind, status, "scripted error", lambda: self.chat(f"status-{status}"))
                self.assertTrue(error.request_id)
                self.check(kind, status, "scripted error", lambda: self.chat(f"status-{status}", stream=True))

    def test_rate_limit_is_tried_three_times(self):
        before = account()["calls"]
        begun = time.monotonic()
        with self.assertRaises(openai.RateLimitError):
            OpenAI(base_url=URL + "/v1", api_key=KEY).chat.completions.create(model="limited", messages=HI)
        self.assertEqual(account()["calls"] - before, 3)
        self.assertGreaterEqual(time.monotonic() - begun, 2)

    def test_spent_budget_is_not_tried_again(self):
        before = account()["calls"]
        with self.assertRaises(openai.RateLimitError) as caught:
            self.chat("gpt", api_key=SPENT_KEY, max_retries=5)
        self.assertEqual(caught.exception.type, "budget_exceeded")
        self.assertEqual(caught.exception.response.headers["x-should-retry"], "false")
        self.assertEqual(caught.exception.request.headers.get("x-stainless-retry-count", "0"), "0")
        self.assertEqual(account()["calls"], before)

    def test_time_outs(self):
        with HangingUp():
            with self.assertRaises(openai.APIStatusError) as caught:
                self.chat("impatient")
            self.assertEqual(caught.exception.status_code, 408)
            self.assertEqual(caught.exception.response.headers["x-litellm-timeout"], "0.3")
        with HangingUp():
            with self.assertRaises(openai.APITimeoutError):
                self.chat("silent", timeout=0.2)

    def test_broken_stream(self):
        chunks = []
        with self.assertRaises(openai.APIError) as caught:
            for chunk in client().chat.completions.create(model="cut", messages=HI, stream=True):
                chunks.append(chunk)
        self.assertGreater(len(chunks), 0)
        self.assertTrue(all(chunk.choices[0].finish_reason is None for chunk in chunks))
        self.assertEqual(caught.exception.body["type"], "upstream_stream_error")

    def test_leaving_a_stream(self):
        with HangingUp():
            with client().chat.completions.create(model="endless", messages=HI, stream=True) as stream:
                for number, _ in enumerate(stream):
                    if number == 10:
                        break


class Asynchronous(unittest.IsolatedAsyncioTestCase):
    async def test_many_at_once(self):
        async with AsyncOpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0) as many:
            ask = many.chat.completions.create
            asked = [ask(model="gpt", messages=[{"role": "user", "content": str(n)}]) for n in range(20)]
            answers = await asyncio.gather(*asked)
            self.assertTrue(all(answer.usage.completion_tokens == 16 for answer in answers))
            self.assertEqual(len({answer._request_id for answer in answers}), 20)

    async def test_stream_and_cancel(self):
        async with AsyncOpenAI(base_url=URL + "/v1", api_key=KEY, max_retries=0) as many:
            stream = await many.chat.completions.create(model="gpt", messages=HI, stream=True)
            self.assertEqual(len([chunk async for chunk in stream if chunk.choices[0].delta.content]), 16)
            with HangingUp():

                async def read():
                    async for _ in await many.chat.completions.create(model="endless", messages=HI, stream=True):
                        self.first.set()

                self.first = asyncio.Event()
                task = asyncio.create_task(read())
                await self.first.wait()
                task.cancel()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                await asyncio.sleep(0)


if __name__ == "__main__":
    unittest.main()
