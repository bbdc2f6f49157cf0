"""`python -m hookline` is `hookline`."""

from hookline.cli import main

if __name__ == "__main__":  # a confined process imports this module, and must not run it
    main()
