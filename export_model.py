from efficientnet_lite.cli.reference import main

if __name__ == "__main__":
    main()
