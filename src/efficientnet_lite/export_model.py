"""`python -m efficientnet_lite.export_model` takes the flags of the reference's `export_model.py`."""

from efficientnet_lite.cli.reference import main

if __name__ == "__main__":
    main()
