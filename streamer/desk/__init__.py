"""The analyst's desk: what a person asks and changes by hand. Pure but for `changing`; the commands read and send."""
