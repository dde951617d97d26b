// Create a folder for temporary files that no other user can prepare or read, and return its path. The
// argument is the start of its name. The other macros in this folder call it.

name = getDirectory("temp") + getArgument();
if (startsWith(getInfo("os.name"), "Windows")) {
    folder = name + "_" + d2s(getTime(), 0); // below the user's own folder
    File.makeDirectory(folder);
    return folder;
}
created = split(exec("mktemp", "-d", name + ".XXXXXX"), "\n");
return created[0];
