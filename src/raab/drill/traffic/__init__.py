"""Traffic that accounts for every request.

The room's law: the standard library and raab.errors only, so that what sends slows neither the tests nor what is tested.
"""
