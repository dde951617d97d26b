// Run a program of this project on an image, and report an error in one sentence. The other macros in
// this folder call it. The lines of the argument are: the start of the program's message of success,
// the program, the image file or folder (empty: the active image), the output folder, and options.
// The result is the path of the input.

lines = split(getArgument(), "(\n)");
output = lines[3];
File.makeDirectory(output);
input = lines[2];
if (input == "") {
    if (nImages == 0) exit("There is no image: open one, or choose a folder.");
    input = output + File.separator + "image.tif";
    run("Duplicate...", "title=image.tif"); // the visible plane of a stack
    saveAs("Tiff", input);
    close();
}
words = newArray(lines[1], "predict", input, "--output", output);
words = Array.concat(words, Array.slice(lines, 4));
if (startsWith(getInfo("os.name"), "Windows"))
    words = Array.concat(newArray("cmd", "/c"), words, newArray("2>&1"));
else
    words = Array.concat(newArray("sh", "-c", "exec \"$@\" 2>&1", "sh"), words);
list = "";
for (i = 0; i < words.length; i++) {
    word = replace(words[i], "\\\\", "\\\\\\\\");
    word = replace(word, "\"", "\\\"");
    list += ", \"" + word + "\"";
}
printed = eval("return exec(" + substring(list, 2) + ");");
wrong = indexOf(printed, "Error: ");
if (wrong >= 0) {
    sentence = split(substring(printed, wrong + 7), "\n");
    exit(sentence[0]);
}
if (indexOf("\n" + printed, "\n" + lines[0]) < 0) {
    sentence = split(printed, "\n");
    exit(lines[1] + " does not run; choose the program in its environment: " + sentence[0]);
}
return input;
