# The app and the server of one run; README.md, section "In a container", has the commands.
FROM python:3.11-slim-bookworm
COPY --from=ghcr.io/astral-sh/uv:0.13.9 /uv /usr/local/bin/uv
WORKDIR /app
ENV UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 PATH="/app/.venv/bin:$PATH" LLM_HOME=/data

# packages first: they change less often than the project
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --locked --no-dev --no-install-project
COPY . .
RUN uv sync --locked --no-dev \
    && useradd --uid 1000 --create-home llm \
    && mkdir /data \
    && chown llm /data

USER 1000
VOLUME /data
EXPOSE 8501 8000
# only its own name is asked for: without browser.serverAddress Streamlit would ask a server for this machine's address
CMD ["streamlit", "run", "main.py", "--server.address", "0.0.0.0", "--browser.serverAddress", "localhost"]
