// CellProfiler with MeasureImageFocusQuality and SegmentDarkfieldCells on the images of one sample; see
// docs/how_to/run_in_a_container.md.
process CELLPROFILER_NETWORKS {
    tag "${meta.id}"
    label 'process_single'
    container 'cellprofiler-networks'

    input:
    tuple val(meta), path(images, stageAs: 'images/*')
    path pipeline

    output:
    tuple val(meta), path('measured/*.csv'), emit: tables
    tuple val(meta), path('measured'), emit: folder
    path 'versions.yml', emit: versions

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    """
    export OMP_NUM_THREADS=${task.cpus}
    cellprofiler -c -r ${args} -p ${pipeline} -i images -o measured
    echo "'${task.process}': {cellprofiler: \$(cellprofiler --version)}" >versions.yml
    """
}
