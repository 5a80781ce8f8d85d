"""All families, in the page's order."""

from . import case, interruptions, keys, locks, states, trees, words

FAMILIES = tuple(room.FAMILY for room in (trees, locks, keys, words, states, interruptions))
TABLE = tuple(sorted(case.CASES, key=lambda one: FAMILIES.index(one.family)))
