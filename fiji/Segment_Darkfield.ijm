// Finds blood cells in the active dark-field image by the program segment-darkfield, puts them into the
// ROI Manager, and shows their table.
//
// In a batch the argument takes the place of the dialog: command=/opt/env/bin/segment-darkfield,
// diameter=35 (of a cell in pixels; 0 where the whole image is like those of training),
// input=/data/blood.png (or nothing for the active image), output=/data/found, one a line.

settings = getArgument();
if (settings == "") settings = askedFor();
List.setList(replace("command=segment-darkfield\ndiameter=0\n" + settings, "\\\\", "\\\\\\\\"));
output = List.get("output");
if (output == "") output = getDirectory("temp") + "segmented_darkfield";
words = "Segmented \n" + List.get("command") + "\n" + List.get("input") + "\n" + output;
if (List.getValue("diameter") > 0) words += "\n--cell-diameter\n" + List.get("diameter");
input = runMacro(File.getDirectory(getInfo("macro.filepath")) + "runcommand.ijm", words);
if (input == "[aborted]") exit;
Table.open(output + File.separator + "cells.csv");
if (List.get("input") != "") open(input);
addCells(output + File.separator + File.getNameWithoutExtension(input) + "_blood_cell.tif");
roiManager("show all");

function askedFor() {
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
    // The outline of each label, on the image that was active.
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
