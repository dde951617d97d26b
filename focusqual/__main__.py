"""python -m focusqual."""

from focusqual.commandline.commands import main

if __name__ == "__main__":
    main(prog_name="focusqual")
