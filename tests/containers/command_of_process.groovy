// Print the command of a Nextflow process for a sample:
// groovy command_of_process.groovy main.nf
class ModuleFile extends Script {
    def run() {}

    // Directives, inputs and outputs.
    def methodMissing(String name, arguments) { arguments ? arguments[-1] : null }

    def propertyMissing(String name) { null }

    // Without a stub, the command is the last statement of the process.
    def process(Closure body) { body() }
}

def settings = new org.codehaus.groovy.control.CompilerConfiguration(scriptBaseClass: 'ModuleFile')
def given = new Binding(
    meta: [id: 'A01'],
    pipeline: 'focus_qc.cppipe',
    task: [cpus: 1, ext: [:], process: 'MEASURE']
)
print new GroovyShell(ModuleFile.classLoader, given, settings).evaluate(new File(args[0]))
