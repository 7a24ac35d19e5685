# $ ftc compile -t image hardware=mi300x image=registry.example.com/team/llamafactory:0.9.5-rocm
# LLaMA-Factory 0.9.5, transformers 5.6.0.
# Made by `ftc compile -t image`: compile it again instead of editing it.
#
# Build it, push it, and name it in the job: image=registry.example.com/team/llamafactory:0.9.5-rocm
#   docker build -t registry.example.com/team/llamafactory:0.9.5-rocm - <Dockerfile
#   docker push registry.example.com/team/llamafactory:0.9.5-rocm
# Behind a mirror: --build-arg PIP_INDEX_URL=… --build-arg APT_MIRROR=https://…
# Arguments stay in the image's history: give them no token.
FROM rocm/pytorch:rocm7.2_ubuntu24.04_py3.12_pytorch_release_2.7.1

# Some bases close their Python to pip, for the distribution's sake (PEP 668). Nothing else uses it here.
ARG PIP_BREAK_SYSTEM_PACKAGES=1

# git and git-lfs fetch models and push results.
# They have no versions, because an archive of Debian's or Ubuntu's keeps only the last of each.
ARG APT_MIRROR
# hadolint ignore=DL3008
RUN if [ -n "$APT_MIRROR" ]; then \
      find /etc/apt "(" -name "*.list" -o -name "*.sources" ")" -exec sed -i -E \
        "s#https?://((deb|security).debian.org|(archive|security|ports).ubuntu.com)/#${APT_MIRROR%/}/#" {} +; \
    fi && \
    apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates git git-lfs && \
    rm -rf /var/lib/apt/lists/*

# The trainer and all that it needs. The list is complete, so --no-deps costs nothing; it keeps pip from putting another
# PyTorch in place of the hardware's. The last line fails where there is none.
ARG PIP_INDEX_URL=https://pypi.org/simple
RUN python3 -m pip install --no-cache-dir --no-deps \
    accelerate==1.11.0 \
    aiofiles==24.1.0 \
    aiohappyeyeballs==2.7.1 \
    aiohttp==3.14.5 \
    aiosignal==1.4.0 \
    annotated-doc==0.0.7 \
    annotated-types==0.8.0 \
    anyio==4.16.0 \
    attrs==26.1.0 \
    av==16.0.0 \
    brotli==1.2.1 \
    certifi==2026.10.18 \
    cffi==2.1.1 \
    charset-normalizer==3.5.2 \
    click==8.5.1 \
    contourpy==1.3.3 \
    cryptography==50.0.2 \
    cycler==0.12.1 \
    datasets==4.0.0 \
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
    gradio-client==1.14.0 \
    gradio==5.50.0 \
    groovy==0.1.2 \
    h11==0.16.0 \
    hf-transfer==0.1.9 \
    hf-xet==1.8.0 \
    httpcore==1.0.9 \
    httpx==0.28.1 \
    huggingface-hub==1.33.0 \
    idna==3.20 \
    jinja2==3.1.6 \
    kiwisolver==1.5.1 \
    llamafactory==0.9.5 \
    markdown-it-py==4.3.0 \
    markupsafe==3.0.4 \
    matplotlib==3.11.2 \
    mdurl==0.1.2 \
    modelscope-hub==0.5.1 \
    modelscope==1.40.2 \
    mpmath==1.3.0 \
    multidict==7.2.1 \
    multiprocess==0.70.16 \
    networkx==3.6.1 \
    numpy==2.4.6 \
    omegaconf==2.4.0 \
    opentelemetry-api==1.45.2 \
    orjson==3.13.0 \
    packaging==26.3 \
    pandas==2.3.3 \
    peft==0.18.1 \
    pillow==11.3.0 \
    propcache==0.5.4 \
    protobuf==6.33.6 \
    psutil==7.2.2 \
    pyarrow==26.0.1 \
    pycparser==3.12 \
    pydantic-core==2.41.4 \
    pydantic==2.12.3 \
    pydub==0.25.1 \
    pygments==2.21.0 \
    pyparsing==3.3.3 \
    python-dateutil==4.0.0 \
    python-multipart==0.0.34 \
    pytz==2026.6 \
    pyyaml==6.0.3 \
    regex==2026.11.15 \
    requests==2.34.2 \
    rich==15.0.0 \
    ruff==0.17.6 \
    safehttpx==0.1.7 \
    safetensors==0.8.0 \
    scipy==1.17.1 \
    semantic-version==2.10.0 \
    sentencepiece==0.2.3 \
    setuptools==84.2.1 \
    shellingham==1.5.4 \
    shtab==1.13.0 \
    sse-starlette==3.7.0 \
    starlette==0.52.1 \
    sympy==1.14.0 \
    termcolor==3.3.0 \
    tiktoken==0.14.0 \
    tokenizers==0.22.2 \
    tomlkit==0.13.3 \
    torchdata==0.11.0 \
    tqdm==4.70.1 \
    transformers==5.6.0 \
    trl==0.24.0 \
    typer==0.29.2 \
    typing-extensions==4.16.0 \
    typing-inspection==0.4.5 \
    tyro==0.8.14 \
    tzdata==2026.6 \
    urllib3==2.8.0 \
    uvicorn==0.54.0 \
    websockets==15.0.1 \
    xxhash==4.1.0 \
    yarl==1.25.1 && \
    python3 -c "from importlib.metadata import version as v; print(v('torch'), v('torchvision'), v('torchaudio'))"

# Root by default, because new volumes belong to root. A pod may run as any other user, with
# cluster.security=restricted or cluster.run_as_user=1000: every user may write to HOME, and needs no name.
ENV HOME=/home/ftc LOGNAME=ftc
RUN mkdir -m 1777 "$HOME"
