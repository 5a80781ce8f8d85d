"""What clients may send and must get: a corpus of raw requests, and what sends it to raab as shipped, directly and through proxies."""
