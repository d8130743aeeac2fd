"""The command line: options and what they say; `console` alone prints."""
