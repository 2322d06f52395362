# Our classes are hcsc_mm.<Name>; every other type is mmpretrain's.
default_scope = "mmpretrain"
custom_imports = dict(imports=["hcsc_mm"], allow_failed_imports=False)

default_hooks = dict(
    timer=dict(type="IterTimerHook"),
    logger=dict(type="LoggerHook", interval=100),
    # on the console a line a minute; None: everything, as mmengine prints it
    progress=dict(type="hcsc_mm.ProgressHook"),
    param_scheduler=dict(type="ParamSchedulerHook"),
    # every epoch, so that an interruption costs one epoch at most; the last three are kept.
    # every_n_iters=1000 saves within epochs, too
    checkpoint=dict(type="hcsc_mm.ResumableCheckpointHook", interval=1, max_keep_ckpts=3),
    preemption=dict(
        type="hcsc_mm.PreemptionHook"
    ),  # SIGTERM, SIGUSR1: save at the next step, end with exit code 75
    # what cannot work is refused before the first step: weights, batch, queue, shared statistics
    preflight=dict(type="hcsc_mm.PreflightHook"),
    sampler_seed=dict(type="DistSamplerSeedHook"),
    # random numbers by (seed, epoch, rank or image): a resumed run continues with the numbers of
    # the uninterrupted one
    epoch_seed=dict(type="hcsc_mm.EpochSeedHook"),
    # a loss or weight that is NaN or infinite stops the run before it is saved; looked at every
    # interval iterations
    non_finite=dict(type="hcsc_mm.NonFiniteHook", interval=50),
    # do embeddings and clusters still spread? Numbers and a warning, no more
    collapse=dict(type="hcsc_mm.CollapseHook", interval=100),
    # with TensorBoard or W&B below: the tree's top as a picture, after every clustering
    tree_picture=dict(type="hcsc_mm.TreePictureHook"),
    # the last words: health, checkpoint, tree, what to type next
    summary=dict(type="hcsc_mm.SummaryHook"),
    # with unreadable='skip': the run stops when more than this share of the images cannot be read
    unreadable=dict(type="hcsc_mm.UnreadableImagesHook", max_share=0.01),
)

# What tools/run_stages.py measures after pre-training. A config for other data has a list of its
# own.
stages = [
    f"{{ fileDirname }}/../benchmarks/{name}.py"
    for name in (
        "knn_in1k",
        "linear_in1k",
        "linear_places205",
        "semi_1pct_in1k",
        "semi_10pct_in1k",
        "svm_voc07",
        "lowshot_voc07",
        "clustering_in1k",
    )
]

env_cfg = dict(
    cudnn_benchmark=True,  # crops have fixed sizes
    mp_cfg=dict(mp_start_method="fork", opencv_num_threads=0),
    dist_cfg=dict(backend="nccl"),
)

# add dict(type='TensorboardVisBackend') or dict(type='WandbVisBackend',
# init_kwargs=dict(project='hcsc')): docs/training.md
vis_backends = [dict(type="LocalVisBackend")]
visualizer = dict(type="UniversalVisualizer", vis_backends=vis_backends)

log_level = "INFO"
load_from = None
resume = False
randomness = dict(seed=0, deterministic=False)
