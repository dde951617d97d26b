// Find blood cells in the active dark-field image with the program segment-darkfield, add them to the
// ROI Manager, and show their table.
//
// In a batch, the argument replaces the dialog, with one setting on each line:
// command=/opt/env/bin/segment-darkfield, diameter=35 (of a cell in pixels; 0 if the whole image is
// like the training images), input=/data/blood.png (without it the active image), output=/data/found.

settings = getArgument();
if (settings == "") settings = askSettings();
List.setList(replace("command=segment-darkfield\ndiameter=0\n" + settings, "\\\\", "\\\\\\\\"));
folder = File.getDirectory(getInfo("macro.filepath"));
output = List.get("output");
if (output == "") output = runMacro(folder + "temporaryfolder.ijm", "segmented_darkfield");
words = "Segmented \n" + List.get("command") + "\n" + List.get("input") + "\n" + output;
if (List.getValue("diameter") > 0) words += "\n--cell-diameter\n" + List.get("diameter");
input = runMacro(folder + "runcommand.ijm", words);
if (input == "[aborted]") exit;
labels = output + File.separator + File.getNameWithoutExtension(input) + "_blood_cell.tif";
if (!File.exists(labels)) exit("Each plane of a stack has its own label image in " + output + ".");
Table.open(output + File.separator + "cells.csv");
if (List.get("input") != "") open(input);
addCells(labels);
roiManager("show all");

function askSettings() {
    Dialog.create("Segment dark field");
    Dialog.addFile("Program", call("ij.Prefs.get", "darkfield.command", "segment-darkfield"));
    diameter = parseFloat(call("ij.Prefs.get", "darkfield.diameter", "0"));
    Dialog.addNumber("Diameter of a cell", diameter, 1, 6, "pixels; 0: as in training");
    Dialog.show();
    command = Dialog.getString();
    diameter = "" + Dialog.getNumber();
    call("ij.Prefs.set", "darkfield.command", command);
    call("ij.Prefs.set", "darkfield.diameter", diameter);
    return "command=" + command + "\ndiameter=" + diameter;
}

function addCells(labels) {
    // Add the outline of each label on the image that was active.
    segmented = getImageID();
    open(labels);
    getStatistics(area, mean, min, cells);
    for (cell = 1; cell <= cells; cell++) {
        setThreshold(cell, cell);
        run("Create Selection");
        Roi.setName("cell " + cell);
        roiManager("add");
    }
    close();
    selectImage(segmented);
}
