"""Drills: lifecycle operations under load, every request accounted for.

The room's law: what sends traffic imports the standard library only and runs in processes of its own, so that neither the tests nor what
is tested slows it; what counts (`account.py`) is pure. No client here ever retries: a lost request is a lost request.

Why a sender of our own: a proof needs each request's fate, its moment and the kind of its connection. wrk and wrk2 sum socket errors up
as connect, read, write and timeout, h2load its requests as failed, errored and timeout; neither says which or when. locust's users wait
for an answer before they send again, as its own pacing does, so that a stall is met by few of them. oha keeps a schedule, but has a fixed
set of workers send one kind of request. Tools on Go's net/http inherit a transport that sends an idempotent request again when a kept
connection ends, which hides the very loss that is looked for. And none sends fresh, kept, idle, slow, streamed, uploading and pipelining
clients in one run, and notes which release answered. For raw throughput they are the better tools: `make bench` uses wrk for that.
"""
