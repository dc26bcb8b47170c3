"""`python -m streamer` is `streamer`."""

from streamer.commands import main

main()
