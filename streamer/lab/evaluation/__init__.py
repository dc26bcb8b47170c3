"""What the detectors are worth: verdicts of the one engine measured against the truth, told before anything is switched on.

Pure but for the files that are read: `passes` sends calls through engines, `tally`, `contributions`, `curves`, `changes` and
`asked` count what was said, `report` tells it, `pages` and `plots` give it its form.
"""
