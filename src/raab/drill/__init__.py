"""Drills: lifecycle operations under load, every request accounted for.

The room's law: what sends traffic imports the standard library only and runs in processes of its own, so that neither the tests nor what
is tested slows it; what counts (`account.py`) is pure. No client here ever retries: a lost request is a lost request.

Why a sender of our own: wrk, wrk2 and h2load sum socket errors up by system call, and do not say which request met them, when, and on
what kind of connection; locust's users wait for an answer before they send again, so a stall is met by few of them; tools on Go's net/http
inherit a transport that sends an idempotent request again when a kept connection ends, which hides the very loss that is looked for; and
none sends idle, slow, uploading and pipelining clients in one run and notes which release answered. For raw throughput they are the
better tools.
"""
