// Measure the focus of the active image or of a folder of images with the program focusqual. Show the
// annotated image, the table of measurements, and a stack of level and certainty of the patches.
//
// In a batch, the argument replaces the dialog, with one setting on each line:
// command=/opt/env/bin/focusqual, stride=42, scale=0.5, input=/data/image.tif (or a folder; without it
// the active image), output=/data/measured.

settings = getArgument();
if (settings == "") settings = askSettings();
List.setList(replace("command=focusqual\nstride=84\nscale=1\n" + settings, "\\\\", "\\\\\\\\"));
folder = File.getDirectory(getInfo("macro.filepath"));
output = List.get("output");
if (output == "") output = runMacro(folder + "temporaryfolder.ijm", "measured_focus");
words = "Measured \n" + List.get("command") + "\n" + List.get("input") + "\n" + output
    + "\n--stride\n" + List.get("stride") + "\n--scale\n" + List.get("scale");
input = runMacro(folder + "runcommand.ijm", words);
if (input == "[aborted]") exit;
picture = output + File.separator + File.getNameWithoutExtension(input) + "_focus.png";
if (!File.isDirectory(input) && File.exists(picture)) { // the planes of a stack have one each
    open(picture);
    showPatches(getWidth(), getHeight(), output + File.separator + "patches.csv");
}
Table.open(output + File.separator + "focus.csv");

function askSettings() {
    Dialog.create("Measure focus");
    Dialog.addFile("Program", call("ij.Prefs.get", "focusqual.command", "focusqual"));
    Dialog.addNumber("Stride", parseInt(call("ij.Prefs.get", "focusqual.stride", "84")), 0, 6, "pixels");
    Dialog.addNumber("Scale", parseFloat(call("ij.Prefs.get", "focusqual.scale", "1")), 3, 6, "");
    Dialog.addCheckbox("A folder of images, not the active image", false);
    Dialog.show();
    command = Dialog.getString();
    stride = "" + Dialog.getNumber();
    scale = "" + Dialog.getNumber();
    call("ij.Prefs.set", "focusqual.command", command);
    call("ij.Prefs.set", "focusqual.stride", stride);
    call("ij.Prefs.set", "focusqual.scale", scale);
    asked = "command=" + command + "\nstride=" + stride + "\nscale=" + scale;
    if (Dialog.getCheckbox()) {
        folder = getDirectory("Choose a folder of images");
        asked += "\ninput=" + folder + "\noutput=" + folder + "measured";
    }
    return asked;
}

function showPatches(width, height, table) {
    // Fill each patch with its level and its certainty.
    Table.open(table);
    left = Table.getColumn("left_px");
    top = Table.getColumn("top_px");
    across = Table.getColumn("width_px");
    down = Table.getColumn("height_px");
    levels = Table.getColumn("level");
    certainties = Table.getColumn("certainty");
    selectWindow(File.getName(table));
    run("Close");
    newImage("Level and certainty", "32-bit black", width, height, 2);
    for (slice = 1; slice <= 2; slice++) {
        setSlice(slice);
        if (slice == 1) setMetadata("Label", "level");
        else setMetadata("Label", "certainty");
        for (patch = 0; patch < levels.length; patch++) {
            if (slice == 1) setColor(levels[patch]);
            else setColor(certainties[patch]);
            fillRect(left[patch], top[patch], across[patch], down[patch]);
        }
    }
    setSlice(1);
    setMinAndMax(0, 10);
}
