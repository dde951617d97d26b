"""python -m segment."""

from segment.commandline.commands import main

if __name__ == "__main__":
    main(prog_name="segment-darkfield")
