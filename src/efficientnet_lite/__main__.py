"""`python -m efficientnet_lite` is `efficientnet-lite`."""

from efficientnet_lite.cli.app import main

if __name__ == "__main__":
    main()
