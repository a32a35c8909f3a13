#!/usr/bin/env python3
"""fault_proxy.py: an HTTP/1.1 proxy that does what networks and servers do on bad days.

    fault_proxy.py UPSTREAM_HOST UPSTREAM_PORT      prints its own port, ends on SIGTERM

It stands between lynex and ClickHouse or an S3 store, both without TLS; Host goes on unchanged, so that
signatures hold. Its own requests, on the same port:

    POST /-/rules     the body replaces all rules; counters and log start anew
    GET  /-/log       one line an exchange: number, method, status, what was done, target, first bytes of
                      the body, with tabs between
    GET  /-/hits      how often each rule was applied, a line each

A rule is a line, read as a shell reads words; the first one that matches is applied:

    METHOD TARGET [body=REGEX] [nth=N[,N…]] [from=N] [every=N] [exchange=N] ACTION [NAME=VALUE…]

METHOD is "*" for any; TARGET is a regular expression, looked for in path and query; body= one that is looked
for in the first 64 KiB of the request's body. nth=, from= and every= count the requests that match the
rule; exchange= is the number in the log. METHOD "-" means connections: only nth=, from=, every= and "refuse"
go with it.

    refuse                       the connection is reset before anything is read
    reset [request=K|answer=K]   reset after K bytes of the request's body, the store not having it; or after
                                 K bytes of the answer (head and body); without a number: the request was read,
                                 and goes nowhere
    lose [early [seconds=S]]     the server acts, its answer is thrown away, the connection reset; early: its
                                 answer is not waited for, but so many seconds (0.3) for it to begin
    stall seconds=S [after|at=K] silence before the request is handed on (after: before the answer is; at=: behind
                                 so many bytes of its body, then the connection ends); new rules end it, with a
                                 reset
    trickle bytes=N ms=M         the answer in pieces
    twice [first]                sent twice; the second answer (first: the first) is handed back
    cut at=K [honest]            only K bytes of the answer's body, then the connection ends; honest: with
                                 headers that say so, as a whole answer
    flip at=K                    one bit of that byte of the answer's body (negative: from its end)
    length add=N                 Content-Length is off by so many
    s3 STATUS CODE [acting]      an S3 error; acting: after the server did it; STATUS may be 200
    exception CODE NAME [acting] [text=TEXT]   ClickHouse's exception
    midway CODE NAME at=K        so many bytes of the answer's body, then ClickHouse's exception
    rewrite find=REGEX put=TEXT  the request's body is changed
"""
import re
import select
import shlex
import signal
import socket
import struct
import sys
import threading
import time

HEAD_MAX = 1 << 20
BODY_MAX = 1 << 30
LOOKED_AT = 1 << 16
WORDS = {"refuse": 0, "reset": 0, "lose": 0, "stall": 0, "trickle": 0, "twice": 0, "cut": 0, "flip": 0,
         "length": 0, "s3": 2, "exception": 2, "midway": 2, "rewrite": 0}


class Rule:
    def __init__(self, line):
        words = shlex.split(line)
        self.method, self.target = words[0], re.compile("" if words[0] == "-" else words[1])
        self.args, self.flags, self.action, self.positional = {}, set(), None, []
        for word in words[1 if words[0] == "-" else 2:]:
            name, equals, value = word.partition("=")
            if self.action is None and word in WORDS:
                self.action = word
            elif self.action is not None and len(self.positional) < WORDS[self.action]:
                self.positional.append(word)
            elif equals and re.fullmatch("[a-z]+", name):
                self.args[name] = value
            else:
                self.flags.add(word)
        if self.action is None or len(self.positional) < WORDS[self.action]:
            raise ValueError("no whole action in: " + line)
        self.body = re.compile(self.args["body"].encode()) if "body" in self.args else None
        self.seen = self.hits = 0

    def number(self, name, default=0):
        return int(self.args.get(name, default))

    def counts(self):
        """Is this one of the matching ones that are meant?"""
        self.seen += 1
        if "nth" in self.args and self.seen not in [int(n) for n in self.args["nth"].split(",")]:
            return False
        if self.seen < self.number("from", 1) or self.seen % self.number("every", 1) != 0:
            return False
        self.hits += 1
        return True

    def takes(self, request):
        if self.method == "-" or self.method not in ("*", request.method):
            return False
        if "exchange" in self.args and self.number("exchange") != request.number:
            return False
        if not self.target.search(request.target):
            return False
        if self.body is not None and not self.body.search(request.body[:LOOKED_AT]):
            return False
        return self.counts()


class State:
    def __init__(self):
        self.lock = threading.Lock()
        self.rules, self.log, self.generation = [], [], 0

    def replace(self, text):
        rules = [Rule(line) for line in text.splitlines() if line.strip() and not line.startswith("#")]
        with self.lock:
            self.rules, self.log, self.generation = rules, [], self.generation + 1

    def enter(self, request):
        """Gives the request its number, and the rule for it."""
        with self.lock:
            entry = [len(self.log) + 1, request.method, "-", "passed", request.target,
                     re.sub("[^ -~]", ".", request.body[:120].decode("latin-1"))]
            self.log.append(entry)
            request.number, request.entry = entry[0], entry
            for rule in self.rules:
                if rule.takes(request):
                    entry[3] = rule.action
                    return rule
        return None

    def refuses(self):
        with self.lock:
            return any(rule.method == "-" and rule.counts() for rule in self.rules)


class Gone(Exception):
    """One side has left."""


class Stream:
    """A socket that is read through a buffer."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def more(self):
        try:
            piece = self.sock.recv(1 << 18)
        except OSError:
            piece = b""
        self.buffer += piece
        return bool(piece)

    def head(self):
        while b"\r\n\r\n" not in self.buffer:
            if len(self.buffer) > HEAD_MAX or not self.more():
                raise Gone
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.split(b"\r\n")
        pairs = [tuple(part.strip() for part in line.split(b":", 1)) for line in lines[1:]]
        return lines[0], pairs

    def take(self, size):
        """Up to so many bytes: fewer where the other side ends before."""
        pieces, left = [], size
        while left > 0:
            if not self.buffer and not self.more():
                break
            piece, self.buffer = self.buffer[:left], self.buffer[left:]
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def line(self):
        while b"\r\n" not in self.buffer:
            if len(self.buffer) > HEAD_MAX or not self.more():
                raise Gone
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line


def header(pairs, name):
    for key, value in pairs:
        if key.lower() == name:
            return value
    return None


def without(pairs, *names):
    return [pair for pair in pairs if pair[0].lower() not in names]


def make_head(first, pairs):
    return b"\r\n".join([first] + [key + b": " + value for key, value in pairs]) + b"\r\n\r\n"


class Request:
    number = 0
    entry = None

    def __init__(self, stream):
        first, self.pairs = stream.head()
        words = first.decode("latin-1").split(" ")
        if len(words) != 3:
            raise Gone
        self.method, self.target, self.version = words
        self.size = int(header(self.pairs, b"content-length") or 0)
        self.body = b""
        if self.size > BODY_MAX:
            raise Gone
        if (header(self.pairs, b"expect") or b"").lower() == b"100-continue":
            stream.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")

    def bytes(self):
        pairs = without(self.pairs, b"expect", b"connection", b"content-length")
        if self.size > 0 or self.method in ("PUT", "POST"):
            pairs.append((b"Content-Length", str(len(self.body)).encode()))
        pairs.append((b"Connection", b"close"))
        first = " ".join([self.method, self.target, self.version]).encode("latin-1")
        return make_head(first, pairs) + self.body


class Answer:
    """Of the server, read whole; or made here."""

    def __init__(self, first, pairs, body, whole=True):
        self.first, self.pairs, self.body, self.whole = first, without(pairs, b"connection"), body, whole

    def status(self):
        return int(self.first.split(b" ")[1])

    def chunked(self):
        return (header(self.pairs, b"transfer-encoding") or b"").lower().endswith(b"chunked")

    def framed(self, request, body, end):
        """Head and body as bytes; `end`: with the last chunk."""
        head = make_head(self.first, self.pairs)
        if request.method == "HEAD":
            return head
        if not self.chunked():
            return head + body
        chunk = b"%x\r\n" % len(body) + body + b"\r\n" if body else b""
        return head + chunk + (b"0\r\n\r\n" if end else b"")

    def say_length(self, size):
        if not self.chunked():
            self.pairs = without(self.pairs, b"content-length")
            self.pairs.append((b"Content-Length", str(size).encode()))


def canned(status, pairs, body):
    pairs = pairs + [(b"Content-Length", str(len(body)).encode())]
    return Answer(b"HTTP/1.1 %d Status" % status, pairs, body)


def s3_error(rule):
    status, code = int(rule.positional[0]), rule.positional[1]
    body = ('<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>said by the fault proxy'
            '</Message><RequestId>1</RequestId></Error>' % code).encode()
    date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode()
    return canned(status, [(b"Content-Type", b"application/xml"), (b"Date", date)], body)


def exception_text(rule):
    code, name = rule.positional
    text = rule.args.get("text", "said by the fault proxy")
    return ("Code: %s. DB::Exception: %s. (%s) (version 1.1)\n" % (code, text, name)).encode()


def exception(rule):
    status = {"60": 404, "202": 503}.get(rule.positional[0], 500)
    pairs = [(b"X-ClickHouse-Exception-Code", rule.positional[0].encode()),
             (b"X-ClickHouse-Query-Id", b"fault")]
    return canned(status, pairs, exception_text(rule))


class Exchange:
    def __init__(self, state, upstream, client):
        self.state, self.upstream, self.client = state, upstream, client

    def reset(self):
        """Both ends of the connection end at once: RST, not FIN."""
        self.client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def wait(self, sock):
        """Until the server says something; a client that leaves is told to the server by leaving too."""
        while True:
            ready, _, _ = select.select([sock, self.client.sock], [], [], 60)
            if sock in ready:
                return
            if self.client.sock in ready and not self.client.more():
                raise Gone

    def pause(self, seconds):
        until, generation = time.monotonic() + seconds, self.state.generation
        while (left := until - time.monotonic()) > 0:
            ready, _, _ = select.select([self.client.sock], [], [], min(left, 0.1))
            if ready and not self.client.more():
                raise Gone
            if self.state.generation != generation:
                self.reset()

    def send(self, request):
        try:
            sock = socket.create_connection(self.upstream, 10)
        except OSError:
            raise Gone from None
        sock.settimeout(None)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.sendall(request.bytes())
        except OSError:
            pass  # it may have answered before it had all
        return sock

    @staticmethod
    def answer_head(stream):
        while True:
            first, pairs = stream.head()
            if not first.split(b" ")[1].startswith(b"1"):
                return first, pairs

    def act(self, request):
        """The server's answer, whole."""
        sock = self.send(request)
        try:
            self.wait(sock)
            stream = Stream(sock)
            first, pairs = self.answer_head(stream)
            answer = Answer(first, pairs, b"")
            request.entry[2] = str(answer.status())
            if request.method == "HEAD" or answer.status() in (204, 304):
                return answer
            if answer.chunked():
                pieces = []
                try:
                    while (size := int(stream.line().split(b";")[0], 16)) > 0:
                        pieces.append(stream.take(size))
                        stream.line()
                    stream.line()
                except Gone:
                    answer.whole = False
                answer.body = b"".join(pieces)
            else:
                size = int(header(pairs, b"content-length") or 0)
                answer.body = stream.take(size)
                answer.whole = len(answer.body) == size
            return answer
        finally:
            sock.close()

    def give(self, request, answer):
        self.client.sock.sendall(answer.framed(request, answer.body, answer.whole))
        if not answer.whole:
            raise Gone

    def relay(self, request):
        """Untouched, and as it comes."""
        sock = self.send(request)
        try:
            self.wait(sock)
            stream = Stream(sock)
            first, pairs = self.answer_head(stream)
            answer = Answer(first, pairs, b"")
            request.entry[2] = str(answer.status())
            self.client.sock.sendall(make_head(first, answer.pairs))
            if request.method == "HEAD" or answer.status() in (204, 304):
                return
            if answer.chunked():
                while True:
                    line = stream.line()
                    size = int(line.split(b";")[0], 16)
                    self.client.sock.sendall(line + b"\r\n")
                    self.pipe(stream, size)
                    self.client.sock.sendall(stream.line() + b"\r\n")
                    if size == 0:
                        return
            self.pipe(stream, int(header(pairs, b"content-length") or 0))
        finally:
            sock.close()

    def pipe(self, stream, left):
        while left > 0:
            piece = stream.take(min(left, 1 << 18))
            if not piece:
                raise Gone
            self.client.sock.sendall(piece)
            left -= len(piece)

    # -- what goes wrong ------------------------------------------------------------------------

    def do_reset(self, request, rule):
        if "answer" in rule.args:
            answer = self.act(request)
            bytes_ = answer.framed(request, answer.body, answer.whole)[: rule.number("answer")]
            self.client.sock.sendall(bytes_)
            time.sleep(0.02)  # what was sent must have arrived: a reset throws the rest away
        self.reset()

    def do_lose(self, request, rule):
        if "early" in rule.flags:
            sock = self.send(request)
            time.sleep(float(rule.args.get("seconds", "0.3")))
            sock.close()
        else:
            self.act(request)
        self.reset()

    def do_stall(self, request, rule):
        seconds = float(rule.args.get("seconds", "1"))
        if "after" in rule.flags:
            answer = self.act(request)
            self.pause(seconds)
            self.give(request, answer)
        elif "at" in rule.args:
            answer = self.act(request)
            self.client.sock.sendall(answer.framed(request, answer.body[: rule.number("at")], False))
            self.pause(seconds)
            raise Gone
        else:
            self.pause(seconds)
            self.relay(request)

    def do_trickle(self, request, rule):
        answer = self.act(request)
        all_, step = answer.framed(request, answer.body, answer.whole), rule.number("bytes", 100)
        for at in range(0, len(all_), step):
            self.client.sock.sendall(all_[at: at + step])
            time.sleep(rule.number("ms", 1) / 1000)
        if not answer.whole:
            raise Gone

    def do_twice(self, request, rule):
        first, second = self.act(request), self.act(request)
        self.give(request, first if "first" in rule.flags else second)

    def do_cut(self, request, rule):
        answer = self.act(request)
        body = answer.body[: rule.number("at")]
        if "honest" in rule.flags:
            answer.say_length(len(body))
            answer.body = body
            self.give(request, answer)
        else:
            self.client.sock.sendall(answer.framed(request, body, False))
            raise Gone

    def do_flip(self, request, rule):
        answer = self.act(request)
        body, at = bytearray(answer.body), rule.number("at")
        if body:
            body[at if -len(body) <= at < len(body) else len(body) // 2] ^= 4
        answer.body = bytes(body)
        self.give(request, answer)

    def do_length(self, request, rule):
        answer = self.act(request)
        answer.say_length(max(0, len(answer.body) + rule.number("add")))
        self.client.sock.sendall(answer.framed(request, answer.body, answer.whole))
        raise Gone

    def do_s3(self, request, rule):
        if "acting" in rule.flags:
            self.act(request)
        request.entry[2] = rule.positional[0]
        self.give(request, s3_error(rule))

    def do_exception(self, request, rule):
        if "acting" in rule.flags:
            self.act(request)
        answer = exception(rule)
        request.entry[2] = str(answer.status())
        self.give(request, answer)

    def do_midway(self, request, rule):
        answer = self.act(request)
        tag = header(answer.pairs, b"x-clickhouse-exception-tag") or b"abcdefghijklmnop"
        text = exception_text(rule)
        body = answer.body[: rule.number("at")] + b"\r\n__exception__\r\n" + tag + b"\r\n" + text
        body += b"%d " % len(text) + tag + b"\r\n__exception__\r\n"
        self.client.sock.sendall(answer.framed(request, body, False))
        raise Gone

    def do_rewrite(self, request, rule):
        request.body = re.sub(rule.args["find"].encode(), rule.args["put"].encode(), request.body)
        self.relay(request)

    # -- one request after the other -------------------------------------------------------------

    def control(self, request):
        if request.target == "/-/rules":
            try:
                self.state.replace(request.body.decode())
                status, text = 200, ""
            except (ValueError, IndexError, re.error) as error:
                status, text = 400, str(error) + "\n"
        else:
            status = 200
            with self.state.lock:
                if request.target == "/-/hits":
                    text = "".join("%d\n" % rule.hits for rule in self.state.rules)
                else:
                    text = "".join("\t".join(map(str, entry)) + "\n" for entry in self.state.log)
        self.give(request, canned(status, [(b"Content-Type", b"text/plain")], text.encode("utf-8", "replace")))

    def one(self):
        request = Request(self.client)
        if request.target.startswith("/-/"):
            request.body = self.client.take(request.size)
            self.control(request)
            return
        request.body = self.client.take(min(request.size, LOOKED_AT))
        rule = self.state.enter(request)
        if rule is not None and rule.action == "reset" and "request" in rule.args:
            self.client.take(max(0, rule.number("request") - len(request.body)))
            self.reset()
        request.body += self.client.take(request.size - len(request.body))
        if len(request.body) < request.size:
            raise Gone
        if rule is None:
            self.relay(request)
        else:
            getattr(self, "do_" + rule.action)(request, rule)

    def serve(self):
        try:
            if self.state.refuses():
                self.reset()
            while True:
                self.one()
        except (Gone, OSError):
            pass
        finally:
            self.client.sock.close()


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    state, upstream = State(), (sys.argv[1], int(sys.argv[2]))
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    while True:
        sock, _ = listener.accept()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        exchange = Exchange(state, upstream, Stream(sock))
        threading.Thread(target=exchange.serve, daemon=True).start()


main()
