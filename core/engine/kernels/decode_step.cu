// ---- a product with what follows it ------------------------------------------------------------------------------

struct Best {
  float score;
  int token;
};

// The sum of all blocks' parts of a value of a tile that begins in this block.
__device__ __forceinline__ float finished(const Form& f, const Params& p, const Span& span, int tile, int at,
                                          u32 epoch) {
  float value = part_sum(f, span, tile, at);
  const int end = (tile + 1) * f.units;
  if (end > span.last)
    for (u32 block = blockIdx.x + 1;; block++) {
      value += await_tagged(p.tails + block * TILE_VALUES + at, epoch);
      if (first_unit(f, block + 1) >= end) break;
    }
  return value;
}

__device__ __forceinline__ float residual(const Params& p, int column, int n, bool embedded) {
  return embedded ? from_bf16(p.embedding[(u64)token_of(p, column) * HIDDEN + n])
                  : __ldcg(p.hidden + column * HIDDEN + n);
}

// What becomes of the sums. before: the residual of the thread's first value.
template <bool IS_HEAD>
__device__ __forceinline__ void epilogue(const Form& f, int kind, const Params& p, const Layer* layer, const Span& span,
                                         u32 epoch, float before, bool embedded, Best* best) {
  const int first = (span.first + f.units - 1) / f.units;  // tiles that begin in this chunk
  const int first_tile = (span.all_first + f.units - 1) / f.units;
  const int count = (span.last + f.units - 1) / f.units - first;
  const int each = kind == GATE_UP ? 16 * COLS : 32 * COLS;
#pragma unroll 1
  for (int i = threadIdx.x; i < count * each; i += THREADS) {
    const int tile = first + i / each, at = i % each, column = at % COLS, row = at / COLS;
    float value = finished(f, p, span, tile, at, epoch);
    if (IS_HEAD) {
      int n = tile * 32 + row;
      if (n < VOCAB) {
        p.logits[(u64)column * VOCAB + n] = value;
        if (value > best->score) {
          best->score = value;
          best->token = n;
        }
      }
      continue;
    }
    int n;
    const int place = (tile - first_tile) * 32 + row;  // among this block's rows
    const Matrix* m = matrix_of(kind, layer, tile, row, &n);
    if (m->bias != 0) value += from_bf16(m->bias[n]);
#if RANK > 0
    const int index = kind == QKV ? (m == &layer->q ? 0 : m == &layer->k ? 1 : 2) : 0;
    if (p.use_lora) value += lora_sum(p, kind, m, n, place, index, column);
#endif
    if (kind == QKV) {
      p.qkv[column * QKV_ROWS + tile * 32 + row] = value;
    } else if (kind == GATE_UP) {
      float up = finished(f, p, span, tile, at + 16 * COLS, epoch);
      if (layer->up.bias != 0) up += from_bf16(layer->up.bias[n]);
#if RANK > 0
      if (p.use_lora) up += lora_sum(p, kind, &layer->up, n, place + 16, 1, column);
#endif
      value = value / (1.0f + __expf(-value)) * up;
      p.inner[operand_at(n, column)] = to_operand<NF4>(value);
    } else {
      if (i >= THREADS) before = residual(p, column, n, embedded);
      p.hidden[column * HIDDEN + n] = before + value;
    }
  }
}

// What a phase can ask for before its operands are there, in order of need: its share of the adapter, then its first
// weights. The block has arrived at the meeting by then: memory serves requests in turn, and what the others wait for
// must not queue behind weights that nobody waits for yet.
template <bool IS_HEAD>
__device__ __forceinline__ void begin_phase(Stream& st, int kind, const Params& p, const Layer* layer, Piece& piece) {
  const Form& f = FORMS[kind];
#if RANK > 0
  if (!IS_HEAD && p.use_lora) {
    // attention needs its registers, so the phase after it asks for its piece later
    if (kind != OUT) lora_load(piece, f, kind, p, layer, blockIdx.x + gridDim.x * item_rank());
    lora_rows(f, kind, p, layer);
    commit();
  }
#endif
  begin<IS_HEAD>(st, f, kind, p, layer, 0);
}

// The phase after `kind`. next: the next layer, 0 after the last.
__device__ __forceinline__ void begin_next(Stream& st, int kind, const Params& p, const Layer* layer, const Layer* next,
                                           Piece& piece) {
  if (kind == DOWN && next == 0)
    begin_phase<true>(st, HEAD, p, 0, piece);
  else
    begin_phase<false>(st, (kind + 1) & 3, p, kind == DOWN ? next : layer, piece);
}

// One phase after its operands are staged, up to where the block arrives at the meeting.
template <bool IS_HEAD>
__device__ __forceinline__ void product(Stream& st, int kind, const Params& p, const Layer* layer, u32 epoch,
                                        Piece& piece, bool embedded, Best* best) {
  const Form& f = FORMS[kind];
  float before = 0;
  if (kind == OUT || kind == DOWN) {
    const int n = (bounds()[kind][0] + f.units - 1) / f.units * 32 + threadIdx.x / COLS;
    if (n < HIDDEN) before = residual(p, threadIdx.x % COLS, n, embedded);
  }
#if RANK > 0
  const bool lora = !IS_HEAD && p.use_lora;
  if (lora) lora_items(piece, f, kind, p, layer, epoch);
#endif
#pragma unroll 1
  for (int chunk = 0;; chunk++) {
    const Span span = span_of(f, kind, chunk);
    consume<IS_HEAD>(st, f, kind, p, layer, span);
    if (RANK > 0) wait_copies<Format<IS_HEAD>::RING>();  // the rows of B, in a warp without units
    if (!span.is_last) begin<IS_HEAD>(st, f, kind, p, layer, chunk + 1);
    if (chunk == 0) NOTE();
#if RANK > 0
    if (lora && chunk == 0) lora_gather(f, kind, p, layer, epoch);
#endif
    if (chunk == 0) NOTE();
    __syncthreads();
    if (chunk == 0) NOTE();
    if (chunk == 0 && span.first % f.units != 0 && threadIdx.x < TILE_VALUES)
      store_tagged(p.tails + blockIdx.x * TILE_VALUES + threadIdx.x, part_sum(f, span, span.tile, threadIdx.x), epoch);
    epilogue<IS_HEAD>(f, kind, p, layer, span, epoch, before, embedded, best);
    if (span.is_last) break;
    __syncthreads();
  }
}

// Copies a layer's table into shared memory, so that nobody waits for pointers to pointers.
__device__ __forceinline__ void fetch_layer(const Params& p, int at) {
  const u32* from = (const u32*)(p.layers + at);
  u32* to = (u32*)(shared + LAYERS_AT + (at & 1) * LAYER_BYTES);
  for (int i = threadIdx.x; i < sizeof(Layer) / 4; i += THREADS) to[i] = __ldg(from + i);
}
__device__ __forceinline__ const Layer* fetched(int at) {
  return (const Layer*)(shared + LAYERS_AT + (at & 1) * LAYER_BYTES);
}

__device__ __forceinline__ void prepare(const Params& p) {
  fetch_layer(p, 0);
  if (threadIdx.x < 8) {
    Rows* to = (Rows*)(shared + ROWS_AT);
    const int column = threadIdx.x;
    to->slots[column] = column < COLS ? p.slots[column] : NONE;
    to->live[column] = column < COLS ? p.live[column] : 0;
    to->lengths[column] = column < COLS ? p.lengths[column] : 0;
  }
  if (threadIdx.x < 5) {
    const Form& f = FORMS[threadIdx.x];
    int* to = (int*)(shared + BOUNDS_AT) + threadIdx.x * 3;
    to[0] = first_unit(f, blockIdx.x);
    to[1] = first_unit(f, blockIdx.x + 1);
    to[2] = to[0] / f.units;
  }
  __syncthreads();
}

__device__ __forceinline__ void fill_tables(const Params& p) {
#if NF4
  for (int i = threadIdx.x; i < 8192; i += THREADS) pair_table[i] = p.pairs[i >> 5];
  if (threadIdx.x < 256) ((float*)(shared + CODE_AT))[threadIdx.x] = p.code[threadIdx.x];
#endif
}

// Where the counters lie: meetings and launches, each in a line of its own.
#define MEETINGS (p.counters)
#define LAUNCHES (p.counters + 64)

extern "C" __global__ void __launch_bounds__(THREADS, 1) decode_step(const __grid_constant__ Params p) {
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const u32 blocks = gridDim.x;
  const u32 launches = *LAUNCHES;
  u32 meet = launches * (5 * LAYERS + 1);  // meetings before this launch
  u32 epoch = launches * (4 * LAYERS + 1);
  Stream st;
  Piece piece;
#ifdef TIMED
  if (threadIdx.x == 0) noted = 0;
#endif
  prepare(p);
  begin_phase<false>(st, QKV, p, fetched(0), piece);
  fill_tables(p);
  Best best;
  best.score = NEGATIVE_INFINITY;
  best.token = -1;
#define LEAVE()     \
  NOTE();           \
  arrive(MEETINGS); \
  meet++
#pragma unroll 1
  for (int at = 0; at < LAYERS; at++) {
    const Layer* layer = fetched(at);
    const Layer* next = at + 1 < LAYERS ? fetched(at + 1) : 0;
    if (next != 0) fetch_layer(p, at + 1);
#pragma unroll 1
    for (int kind = QKV; kind <= DOWN; kind++) {
      epoch++;
      if (kind == QKV || kind == GATE_UP) {
        stage_norm<NF4>(p, kind == QKV ? layer->norm1 : layer->norm2, at == 0 && kind == QKV, MEETINGS, meet * blocks);
      } else {
        await_value(MEETINGS, meet * blocks);
        if (kind == OUT || !STREAM_DOWN) stage_copy(kind == OUT ? p.mixed : p.inner, FORMS[kind].k);
      }
      if (at + kind > 0 && warp == HERALD) begin_phase<false>(st, kind, p, layer, piece);
      NOTE();
      product<false>(st, kind, p, layer, epoch, piece, at == 0 && kind == OUT, &best);
      LEAVE();
      if (warp != HERALD) begin_next(st, kind, p, layer, next, piece);
      if (kind == QKV) {
        attention(p, layer, MEETINGS, meet * blocks);
        LEAVE();
#if RANK > 0
        if (p.use_lora) lora_load(piece, FORMS[OUT], OUT, p, layer, blockIdx.x + gridDim.x * item_rank());
#endif
      }
    }
  }
  stage_norm<false>(p, p.final_norm, false, MEETINGS, meet * blocks);
  if (warp == HERALD) begin_phase<true>(st, HEAD, p, 0, piece);
  NOTE();
  epoch++;
  product<true>(st, HEAD, p, 0, epoch, piece, false, &best);
  {
    // the block's best token of each column: threads of one column are COLS apart
    Best* found = (Best*)(shared + RED_AT);  // [WARPS][COLS]
#pragma unroll
    for (int offset = 16; offset >= COLS; offset >>= 1) {
      float score = __shfl_xor_sync(0xffffffffu, best.score, offset);
      int token = __shfl_xor_sync(0xffffffffu, best.token, offset);
      if (score > best.score || (score == best.score && (u32)token < (u32)best.token)) {
        best.score = score;
        best.token = token;
      }
    }
    if (lane < COLS) found[warp * COLS + lane] = best;
    __syncthreads();
    if (threadIdx.x < COLS) {
      best = found[threadIdx.x];
      for (int i = 1; i < WARPS; i++) {
        Best other = found[i * COLS + threadIdx.x];
        if (other.score > best.score || (other.score == best.score && (u32)other.token < (u32)best.token)) best = other;
      }
      p.best_scores[blockIdx.x * COLS + threadIdx.x] = best.score;
      p.best_tokens[blockIdx.x * COLS + threadIdx.x] = best.token;
    }
  }
  LEAVE();
  if (blockIdx.x != 0) return;
  await_value(MEETINGS, meet * blocks);
  NOTE();
  if (warp < COLS) {
    best.score = NEGATIVE_INFINITY;
    best.token = -1;
    for (u32 block = lane; block < blocks; block += 32) {
      float score = __ldcg(p.best_scores + block * COLS + warp);
      int token = __ldcg(p.best_tokens + block * COLS + warp);
      if (score > best.score || (score == best.score && (u32)token < (u32)best.token)) {
        best.score = score;
        best.token = token;
      }
    }
#pragma unroll
    for (int offset = 16; offset > 0; offset >>= 1) {
      float score = __shfl_xor_sync(0xffffffffu, best.score, offset);
      int token = __shfl_xor_sync(0xffffffffu, best.token, offset);
      if (score > best.score || (score == best.score && (u32)token < (u32)best.token)) {
        best.score = score;
        best.token = token;
      }
    }
    if (lane == 0 && p.live[warp]) {
      p.tokens[warp] = best.token;
      p.lengths[warp] += 1;
    }
  }
  if (threadIdx.x == 0) {
    *LAUNCHES = launches + 1;
  }
}

#ifdef PRODUCT_ONLY  // for the bench: gate and up of every layer, with their norm and the meeting after them
extern "C" __global__ void __launch_bounds__(THREADS, 1) gate_up_only(const __grid_constant__ Params p) {
  const u32 blocks = gridDim.x, launches = *LAUNCHES;
  u32 meet = launches * LAYERS, epoch = launches * LAYERS;
  Stream st;
  Piece piece;
  prepare(p);
  begin_phase<false>(st, GATE_UP, p, fetched(0), piece);
  fill_tables(p);
  Best best;
#pragma unroll 1
  for (int at = 0; at < LAYERS; at++) {
    const Layer* layer = fetched(at);
    if (at + 1 < LAYERS) fetch_layer(p, at + 1);
    stage_norm<NF4>(p, layer->norm2, false, MEETINGS, meet * blocks);
    const Form& f = FORMS[GATE_UP];
    const Span span = span_of(f, GATE_UP, 0);
    consume<false>(st, f, GATE_UP, p, layer, span);
    if ((threadIdx.x >> 5) != HERALD) begin<false>(st, f, GATE_UP, p, fetched(at + 1), 0);
    __syncthreads();
    epoch++;
    if (span.first % f.units != 0 && threadIdx.x < TILE_VALUES)
      store_tagged(p.tails + blockIdx.x * TILE_VALUES + threadIdx.x, part_sum(f, span, span.tile, threadIdx.x), epoch);
    epilogue<false>(f, GATE_UP, p, layer, span, epoch, 0, false, &best);
    arrive(MEETINGS);
    meet++;
    if ((threadIdx.x >> 5) == HERALD) begin<false>(st, f, GATE_UP, p, fetched(at + 1), 0);
  }
  await_value(MEETINGS, meet * blocks);
  if (blockIdx.x == 0 && threadIdx.x == 0) *LAUNCHES = launches + 1;
}
#endif
