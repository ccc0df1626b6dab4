"""Experiments, each in a package with its configuration, run, figure and report; and what
`minires step` records."""
