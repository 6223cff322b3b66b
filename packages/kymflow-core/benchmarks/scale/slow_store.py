"""A server that speaks enough of S3 for one dataset, and answers each request after a while.

It stands for a store far away: `object_store.py` starts it in a separate process. Unlike a real
one, or moto, it takes next to no time beyond that.
"""

from __future__ import annotations

import asyncio
import hashlib
import sys
from bisect import bisect_left, bisect_right
from urllib.parse import parse_qs, unquote, urlsplit

_PAGE = 1000
_DATE = "Thu, 01 Jan 2026 00:00:00 GMT"


class Bucket:
    """Objects by key, and how many requests there were of each kind."""

    def __init__(self, delay_s: float) -> None:
        self.objects: dict[str, bytes] = {}
        self.keys: list[str] | None = None  # sorted, once they are asked for
        self.delay_s = delay_s
        self.log: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                first, *lines = head.decode("latin-1").split("\r\n")
                verb, target, _ = first.split(" ")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines if line)
                }
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                status, more, content = self.answer(verb, target, headers, body)
                if verb != "OPTIONS":
                    await asyncio.sleep(self.delay_s)
                more.setdefault("Content-Length", str(len(content)))
                text = "".join(f"{name}: {value}\r\n" for name, value in more.items())
                writer.write(f"HTTP/1.1 {status} -\r\n{text}\r\n".encode("latin-1"))
                writer.write(b"" if verb == "HEAD" else content)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def answer(
        self, verb: str, target: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for one request; ``OPTIONS`` hands over the log."""
        url = urlsplit(target)
        key = unquote(url.path).removeprefix("/lab").lstrip("/")
        if verb == "OPTIONS":
            log, self.log = "\n".join(self.log), []
            return 200, {}, log.encode("utf-8")
        if verb == "POST":  # the names of what is to be deleted
            keys = [part.partition("</Key>")[0] for part in body.decode("utf-8").split("<Key>")[1:]]
            for deleted in keys:
                self.objects.pop(deleted, None)
            self.keys = None
            self.log.append("DELETE 0")
            text = "".join(f"<Deleted><Key>{deleted}</Key></Deleted>" for deleted in keys)
            return 200, {}, f"<DeleteResult>{text}</DeleteResult>".encode()
        if not key:
            self.log.append("LIST 0")
            return 200, {}, self._list(parse_qs(url.query))
        there = self.objects.get(key)
        self.log.append(f"{verb} {len(body) if verb == 'PUT' else len(there or b'')}")
        if verb == "PUT":
            wanted = headers.get("if-match")
            exists = "if-none-match" in headers and there is not None
            if exists or (wanted is not None and (there is None or wanted != _tag(there))):
                return 412, {}, b""
            self.objects[key] = body
            self.keys = self.keys if there is not None else None
            return 200, {"ETag": _tag(body)}, b""
        if there is None:
            return 404, {}, b"<Error><Code>NoSuchKey</Code></Error>"
        facts = {"ETag": _tag(there), "Last-Modified": _DATE, "Content-Length": str(len(there))}
        return 200, facts, there

    def _list(self, query: dict[str, list[str]]) -> bytes:
        prefix = query.get("prefix", [""])[0]
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        if self.keys is None:
            self.keys = sorted(self.objects)
        keys = self.keys
        end = bisect_left(keys, prefix + "\U0010ffff")
        found: dict[str, bool] = {}
        for key in keys[max(bisect_left(keys, prefix), bisect_right(keys, after)) : end]:
            name, slash, _ = key[len(prefix) :].partition("/")
            is_folder = "delimiter" in query and slash != ""
            shown = f"{prefix}{name}/" if is_folder else key
            if is_folder and shown <= after:
                continue
            if len(found) == _PAGE and shown not in found:
                break
            found[shown] = is_folder
        is_cut = len(found) == _PAGE
        parts = [
            f"<CommonPrefixes><Prefix>{shown}</Prefix></CommonPrefixes>"
            if is_folder
            else _described(shown, self.objects[shown])
            for shown, is_folder in found.items()
        ]
        last = list(found)[-1] if is_cut else ""
        token = f"<NextContinuationToken>{last}\x7f</NextContinuationToken>" if is_cut else ""
        return f"<ListBucketResult>{''.join(parts)}{token}</ListBucketResult>".encode()


def _described(key: str, data: bytes) -> str:
    return (
        f"<Contents><Key>{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>{_tag(data)}</ETag><Size>{len(data)}</Size></Contents>"
    )


def _tag(data: bytes) -> str:
    return f'"{hashlib.md5(data, usedforsecurity=False).hexdigest()}"'


async def main() -> None:
    """Serve on a free port of loopback, which is printed."""
    bucket = Bucket(float(sys.argv[1]))
    server = await asyncio.start_server(bucket.serve, "127.0.0.1", 0, limit=2**26)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
