# $ ftc compile -t image hardware=h800 devices=8 engine=deepspeed-z3 cluster=alauda tracking=mlflow trainer.llamafactory=0.9.3 trainer.transformers=4.51.1 image=registry.example.com/team/llamafactory:0.9.3
# LLaMA-Factory 0.9.3, transformers 4.51.1, deepspeed, mlflow.
# Made by `ftc compile -t image`: compile it again instead of editing it.
#
# Build it, push it, and name it in the job: image=registry.example.com/team/llamafactory:0.9.3
#   docker build -t registry.example.com/team/llamafactory:0.9.3 - <Dockerfile
#   docker push registry.example.com/team/llamafactory:0.9.3
# Behind a mirror: --build-arg PIP_INDEX_URL=… --build-arg APT_MIRROR=https://…
# Arguments stay in the image's history: give them no token.
FROM hiyouga/pytorch:th2.6.0-cu124-flashattn2.7.4-cxx11abi0-devel

# Some bases close their Python to pip, for the distribution's sake (PEP 668). Nothing else uses it here.
ARG PIP_BREAK_SYSTEM_PACKAGES=1

# git and git-lfs fetch models and push results; g++ compiles DeepSpeed's operators at their first use.
# They have no versions, because an archive of Debian's or Ubuntu's keeps only the last of each.
ARG APT_MIRROR
# hadolint ignore=DL3008
RUN if [ -n "$APT_MIRROR" ]; then \
      find /etc/apt "(" -name "*.list" -o -name "*.sources" ")" -exec sed -i -E \
        "s#https?://((deb|security).debian.org|(archive|security|ports).ubuntu.com)/#${APT_MIRROR%/}/#" {} +; \
    fi && \
    apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates git git-lfs g++ && \
    rm -rf /var/lib/apt/lists/*

# The trainer and all that it needs. The list is complete, so --no-deps costs nothing; it keeps pip from putting another
# PyTorch in place of the hardware's. The last line fails where there is none.
ARG PIP_INDEX_URL=https://pypi.org/simple
RUN python3 -m pip install --no-cache-dir --no-deps \
    accelerate==1.7.0 \
    aiofiles==24.1.0 \
    aiohappyeyeballs==2.7.1 \
    aiohttp==3.14.5 \
    aiosignal==1.4.0 \
    annotated-doc==0.0.7 \
    annotated-types==0.8.0 \
    anyio==4.16.0 \
    attrs==26.1.0 \
    audioread==3.1.0 \
    av==18.1.0 \
    cachetools==7.3.2 \
    certifi==2026.10.18 \
    cffi==2.1.1 \
    charset-normalizer==3.5.2 \
    click==8.5.1 \
    cloudpickle==3.1.2 \
    contourpy==1.3.3 \
    cryptography==50.0.2 \
    cycler==0.12.1 \
    databricks-sdk==0.156.0 \
    datasets==3.6.0 \
    decorator==5.3.1 \
    deepspeed==0.16.9 \
    dill==0.3.8 \
    docstring-parser==0.18.0 \
    einops==0.8.2 \
    fastapi==0.163.2 \
    ffmpy==1.0.0 \
    filelock==4.2.11 \
    fire==0.7.1 \
    fonttools==4.68.0 \
    frozenlist==1.8.0 \
    fsspec==2025.3.0 \
    gitdb==4.0.12 \
    gitpython==3.2.1 \
    google-auth==2.62.2 \
    gradio-client==1.10.1 \
    gradio==5.31.0 \
    groovy==0.1.2 \
    h11==0.16.0 \
    hf-xet==1.8.0 \
    hjson==3.1.0 \
    httpcore==1.0.9 \
    httpx==0.28.1 \
    huggingface-hub==0.36.2 \
    idna==3.20 \
    importlib-metadata==9.1.0 \
    jinja2==3.1.6 \
    joblib==1.6.0 \
    kiwisolver==1.5.1 \
    lazy-loader==0.6 \
    librosa==0.11.0 \
    llamafactory==0.9.3 \
    llvmlite==0.50.0 \
    markdown-it-py==4.3.0 \
    markupsafe==3.0.4 \
    matplotlib==3.11.2 \
    mdurl==0.1.2 \
    mlflow-skinny==3.17.2 \
    modelscope-hub==0.5.1 \
    modelscope==1.40.2 \
    mpmath==1.3.0 \
    msgpack==1.2.4 \
    multidict==7.2.1 \
    multiprocess==0.70.16 \
    narwhals==2.29.0 \
    networkx==3.6.1 \
    ninja==1.13.2 \
    numba==0.68.1 \
    numpy==1.26.4 \
    omegaconf==2.4.0 \
    opentelemetry-api==1.45.2 \
    opentelemetry-proto==1.45.2 \
    opentelemetry-sdk==1.45.2 \
    opentelemetry-semantic-conventions==0.66b2 \
    orjson==3.13.0 \
    packaging==26.3 \
    pandas==2.3.3 \
    peft==0.15.2 \
    pillow==11.3.0 \
    platformdirs==4.14.7 \
    pooch==1.9.0 \
    propcache==0.5.4 \
    protobuf==6.33.6 \
    psutil==7.2.2 \
    py-cpuinfo==9.0.0 \
    pyarrow==21.0.0 \
    pyasn1-modules==0.4.2 \
    pyasn1==0.6.5 \
    pycparser==3.12 \
    pydantic-core==2.27.2 \
    pydantic==2.10.6 \
    pydub==0.25.1 \
    pygments==2.21.0 \
    pyparsing==3.3.3 \
    python-dateutil==4.0.0 \
    python-dotenv==1.2.4 \
    python-multipart==0.0.34 \
    pytz==2026.6 \
    pyyaml==6.0.3 \
    regex==2026.11.15 \
    requests==2.34.2 \
    rich==15.0.0 \
    ruff==0.17.6 \
    safehttpx==0.1.7 \
    safetensors==0.8.0 \
    scikit-learn==1.9.1 \
    scipy==1.17.1 \
    semantic-version==2.10.0 \
    sentencepiece==0.2.3 \
    setuptools==84.2.1 \
    shellingham==1.5.4 \
    shtab==1.13.0 \
    smmap==5.0.3 \
    soundfile==0.14.0 \
    soxr==1.1.0 \
    sqlparse==0.6.1 \
    sse-starlette==3.7.0 \
    starlette==0.52.1 \
    sympy==1.13.1 \
    termcolor==3.3.0 \
    threadpoolctl==3.8.0 \
    tiktoken==0.14.0 \
    tokenizers==0.21.1 \
    tomlkit==0.13.3 \
    tqdm==4.70.1 \
    transformers==4.51.1 \
    trl==0.9.6 \
    typer==0.29.2 \
    typing-extensions==4.16.0 \
    typing-inspection==0.4.5 \
    tyro==0.8.14 \
    tzdata==2026.6 \
    urllib3==2.8.0 \
    uvicorn==0.54.0 \
    websockets==15.0.1 \
    xxhash==4.1.0 \
    yarl==1.25.1 \
    zipp==4.1.2 && \
    python3 -c "from importlib.metadata import version as v; print(v('torch'), v('torchvision'), v('torchaudio'))"

# Root by default, because new volumes belong to root. A pod may run as any other user, with
# cluster.security=restricted or cluster.run_as_user=1000: every user may write to HOME, and needs no name.
ENV HOME=/home/ftc LOGNAME=ftc
RUN mkdir -m 1777 "$HOME"
