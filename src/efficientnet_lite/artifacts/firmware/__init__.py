"""An int8 model as C sources for a microcontroller, beside what turns a camera's frame into its input.

Open `microcontroller` first (the kind of artifact), then the templates; `camera_frames` says in numpy what preprocess.c
does, `c_text` how names and bytes become C.
"""
