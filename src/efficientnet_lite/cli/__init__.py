"""The command line: options and what they say; open `app` first. `console` alone prints, flags are named here only.

One module a command; `wording` turns names of arguments into options. May import everything.
"""
