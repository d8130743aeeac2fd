"""This machine, as far as our files and libraries care: what it has, what is installed, and what works on it.

Open `checkup` first, which says what is found out; `libraries` reads what our own metadata asks for, `imports` tries
it in other processes, `kernel_speed` runs a file of each precision. May import the rooms up to `runtimes`.
"""
