"""Fuzzing of everything that reads bytes from outside.

`targets` lists the decoders, each with what has to hold for any bytes; ``python -m tests.fuzzing 10000000`` (`make fuzz`)
runs them all and ends with an error when anything was found. With atheris (where there is a wheel of it) inputs are guided by the
coverage of the Python code as well as by what the decoders answer; without it by the answers alone. What is interesting is
kept in ``corpus`` and tried again by `test_corpus`.

`records` sends broken records through a real worker, `state` imports damaged state into an engine.
"""
