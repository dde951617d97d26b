"""python -m focusqual."""

from focusqual.cli import main

if __name__ == "__main__":
    main(prog_name="focusqual")
