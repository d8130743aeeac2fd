"""The clinic of int8: `patient` opens a file with its float parent, `examination` measures, `diagnosis` is the value.

`clinic_page` draws it as one HTML file.
"""
