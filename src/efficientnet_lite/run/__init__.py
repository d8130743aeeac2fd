"""The run folder: open `folder` first for what lies in it and how it is opened, `publish` for how it comes into being.

`card`, `config_toml`, `model_card` and `report/` are what it says of itself; `arrivals` brings artifacts into it. May
import the rooms up to `training`.
"""
