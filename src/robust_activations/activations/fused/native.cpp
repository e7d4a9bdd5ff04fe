// The fused loops on a CPU. `native.py` puts an activation's derivatives in place of the line FUNCTION, compiles
// the whole once and calls the functions at the end.
//
// A tensor is seen as a matrix of `rows` rows and `cols` columns. The parameters, K of them for each of C channels
// (theta[k * C + c]), change from row to row, c = row % C, or, with channels_last, from column to column, c = column.
// Work is cut into tasks of fixed size, and sums are added task by task, so that the result does not depend on the
// number of threads.

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

// A loop with a call in it is not vectorised.
#define INLINE inline __attribute__((always_inline))

namespace fused {

using index = std::int64_t;

// Storage and arithmetic: bfloat16 is computed in float32.

using bf16 = std::uint16_t;  // a plain number, since structs are not vectorised

template <class To, class From> INLINE To cast(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

INLINE float load(float x) { return x; }
INLINE double load(double x) { return x; }
INLINE float load(bf16 x) { return cast<float>(std::uint32_t(x) << 16); }
INLINE void store(float& to, float x) { to = x; }
INLINE void store(double& to, double x) { to = x; }
INLINE void store(bf16& to, float x) {
    const std::uint32_t bits = cast<std::uint32_t>(x);
    // NaN stays NaN: those of bfloat16 and of arithmetic have nothing in the bits cut off, those of parameters are cleaned.
    const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;  // to nearest, ties to even
    to = std::uint16_t(rounded);
}

// A NaN with other bits, such as a GPU's, would round to a number in bfloat16.
template <class T> INLINE T clean(T x) { return x == x ? x : T(NAN); }

// One of two numbers, by masks: the compiler may turn a conditional expression into a branch, and then not vectorise.
INLINE float where(bool condition, float yes, float no) {
    const std::uint32_t mask = -std::uint32_t(condition);
    return cast<float>((cast<std::uint32_t>(yes) & mask) | (cast<std::uint32_t>(no) & ~mask));
}
INLINE double where(bool condition, double yes, double no) { return condition ? yes : no; }

// Mathematics, under the names of `derivatives.py`. In double from the C library. In float by range reduction and polynomials, which the compiler
// vectorises as it cannot vectorise the library's; errors are a few units in the last place.

INLINE double absolute(double x) { return std::fabs(x); }
INLINE double exp(double x) { return std::exp(x); }
INLINE double expm1(double x) { return std::expm1(x); }
INLINE double erf(double x) { return std::erf(x); }
INLINE double log1p(double x) { return std::log1p(x); }
INLINE double log1p_unit(double x) { return std::log1p(x); }
INLINE double sqrt(double x) { return std::sqrt(x); }

// x = n log 2 + r with |r| <= log(2) / 2: `power` is 2^n, and the result exp(r) - 1,
// r + r^2 P(r) with P fitted to an error of 2e-8.
// Beyond [-87, 88] the argument is cut, where exp(x) would be denormal or overflow; NaN stays NaN.
INLINE float reduced_expm1(float x, float& power) {
    x = where(x < -87.0f, -87.0f, x);
    x = where(x > 88.0f, 88.0f, x);
    const float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: the sum holds n in its lowest bits
    const float n = shifted - 12582912.0f;
    power = cast<float>((cast<std::int32_t>(shifted) - 0x4b400000 + 127) << 23);
    const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 0.00138144423f;
    p = p * r + 0.00836874424f;
    p = p * r + 0.041668392f;
    p = p * r + 0.166665204f;
    p = p * r + 0.499999934f;
    return p * r * r + r;
}
INLINE float absolute(float x) { return std::fabs(x); }
INLINE float exp(float x) {
    float power;
    const float p = reduced_expm1(x, power);
    return power * p + power;
}
INLINE float expm1(float x) {
    float power;
    const float p = reduced_expm1(x, power);
    return power * p + (power - 1.0f);
}
// 1 + x = 2^n m with m in [sqrt(1/2), sqrt(2)), f = m - 1: n log 2 + f - f^2 / 2 + f^3 P(f), P fitted to an error of
// 1e-8. Where n is 0, f is x itself, which loses nothing to the rounding of 1 + x. For x >= 0; infinity gives about 89.
INLINE float log1p(float x) {
    const std::int32_t bits = cast<std::int32_t>(1.0f + x);
    const std::int32_t n = (bits - 0x3f3504f3) >> 23;
    const float f = where(n == 0, x, cast<float>(bits - (n << 23)) - 1.0f);
    float p = 0.0705496175f;
    p = p * f - 0.114199796f;
    p = p * f + 0.116284669f;
    p = p * f - 0.124298809f;
    p = p * f + 0.14254892f;
    p = p * f - 0.166678126f;
    p = p * f + 0.200005555f;
    p = p * f - 0.249999952f;
    p = p * f + 0.333333318f;
    return where(x == x, (p * f - 0.5f) * (f * f) + f + float(n) * 0.693147181f, x);
}
// For x in [0, 1]: x P(x), P fitted to an error of 8e-8.
INLINE float log1p_unit(float x) {
    float p = 0.00518591712f;
    p = p * x - 0.0292099012f;
    p = p * x + 0.0775397395f;
    p = p * x - 0.13583882f;
    p = p * x + 0.190559236f;
    p = p * x - 0.248256387f;
    p = p * x + 0.33316009f;
    p = p * x - 0.499992558f;
    p = p * x + 0.999999921f;
    return p * x;
}
// Abramowitz and Stegun (1964), 7.1.26; error below 2e-7.
INLINE float erf(float x) {
    const float z = absolute(x), t = 1.0f / (1.0f + 0.3275911f * z);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const float rest = 1.0f - p * t * exp(-z * z);
    return where(x < 0.0f, -rest, rest);
}
INLINE float sqrt(float x) { return std::sqrt(x); }

template <class T> INLINE T positive(T x) { return where(x < 0, T(0), x); }
template <class T> INLINE T sigmoid(T x) { return T(1) / (T(1) + exp(-x)); }
template <class T> INLINE T sign(T x) { return T(x > T(0)) - T(x < T(0)); }

// FUNCTION

template <class F, class T> INLINE T value_of(const F& f, T x) {
    T value, slope, d0, d1;
    f.all(x, value, slope, d0, d1);
    return value;
}
template <class F, class T> INLINE T slope_of(const F& f, T x) {
    T value, slope, d0, d1;
    f.all(x, value, slope, d0, d1);
    return slope;
}

// Elements of a task by row, whose inputs and outputs fit into the cache; by column, where each task has sums for every
// channel, eight times as many.
constexpr index CHUNK = 4096;

struct Shape {
    index rows, cols, channels;
    bool by_column;
    index parts() const { return by_column ? 1 : (cols + CHUNK - 1) / CHUNK; }               // of a row
    index block() const { return by_column ? (8 * CHUNK + cols - 1) / cols : 1; }            // rows of a task
    index tasks() const { return (rows + block() - 1) / block() * parts(); }
};

// Calls body(first element, number of elements, first channel, step of the channel from element to element, task).
template <class Body> void for_tasks(const Shape& shape, int threads, Body body) {
    const index parts = shape.parts(), block = shape.block(), tasks = shape.tasks();
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && tasks > 1)
    for (index task = 0; task < tasks; ++task) {
        if (shape.by_column) {
            const index end = (task + 1) * block < shape.rows ? (task + 1) * block : shape.rows;
            for (index row = task * block; row < end; ++row) body(row * shape.cols, shape.cols, 0, 1, task);
        } else {
            const index row = task / parts, start = task % parts * CHUNK;
            const index n = shape.cols - start < CHUNK ? shape.cols - start : CHUNK;
            body(row * shape.cols + start, n, row % shape.channels, 0, task);
        }
    }
}

// Sums of the tasks, added up channel by channel. A task by row belongs to one channel, one by column to all.
template <class T> void add_up(const Shape& shape, int K, const std::vector<T>& sums, T* out) {
    const index width = shape.by_column ? shape.channels : 1, parts = shape.parts();
    std::vector<double> total(K * shape.channels, 0.0);
    for (index task = 0; task < shape.tasks(); ++task)
        for (int k = 0; k < K; ++k)
            for (index i = 0; i < width; ++i) {
                const index c = shape.by_column ? i : task / parts % shape.channels;
                total[k * shape.channels + c] += double(sums[(task * K + k) * width + i]);
            }
    for (index i = 0; i < K * shape.channels; ++i) out[i] = T(total[i]);
}

template <class F, class S, class T>
void forward(const S* x, S* y, const T* theta, const Shape& shape, int threads) {
    const index C = shape.channels;
    for_tasks(shape, threads, [=](index first, index n, index c, index step, index) {
        const S* __restrict from = x + first;
        S* __restrict to = y + first;
        if (step == 0) {
            const F f(theta + c, C);
#pragma omp simd
            for (index i = 0; i < n; ++i) store(to[i], value_of(f, load(from[i])));
        } else {
#pragma omp simd
            for (index i = 0; i < n; ++i) store(to[i], value_of(F(theta + i, C), load(from[i])));
        }
    });
}

// dx = g df/dx, and, if `dtheta` is given, the sums of g df/dtheta in the same pass.
template <class F, class S, class T>
void backward(const S* x, const S* g, S* dx, const T* theta, T* dtheta, const Shape& shape, int threads) {
    constexpr int K = F::K;
    const index C = shape.channels;
    const index width = shape.by_column ? C : 1;
    std::vector<T> sums(dtheta ? shape.tasks() * K * width : 0, T(0));
    T* const all = dtheta ? sums.data() : nullptr;
    for_tasks(shape, threads, [=](index first, index n, index c, index step, index task) {
        const S* __restrict from = x + first;
        const S* __restrict grad = g + first;
        S* __restrict to = dx + first;
        if (!all) {
            if (step == 0) {
                const F f(theta + c, C);
#pragma omp simd
                for (index i = 0; i < n; ++i) store(to[i], load(grad[i]) * slope_of(f, load(from[i])));
            } else {
#pragma omp simd
                for (index i = 0; i < n; ++i) store(to[i], load(grad[i]) * slope_of(F(theta + i, C), load(from[i])));
            }
        } else if (step == 0) {
            const F f(theta + c, C);
            T a = 0, b = 0;
#pragma omp simd reduction(+ : a, b)
            for (index i = 0; i < n; ++i) {
                const T gi = load(grad[i]);
                T value, slope, d0 = 0, d1 = 0;
                f.all(load(from[i]), value, slope, d0, d1);
                store(to[i], gi * slope);
                a += gi * d0;
                b += gi * d1;
            }
            T* mine = all + task * K;
            if (K > 0) mine[0] += a;
            if (K > 1) mine[1] += b;
        } else {
            T* __restrict mine = all + task * K * width;
#pragma omp simd
            for (index i = 0; i < n; ++i) {
                const T gi = load(grad[i]);
                T value, slope, d0 = 0, d1 = 0;
                F(theta + i, C).all(load(from[i]), value, slope, d0, d1);
                store(to[i], gi * slope);
                if (K > 0) mine[i] += gi * d0;
                if (K > 1) mine[C + i] += gi * d1;
            }
        }
    });
    if (dtheta) add_up(shape, K, sums, dtheta);
}

// Hinges, for SPLASH and APL: the sum over k of a_k max(0, s_k x - h_k), with s_k = 1 or -1, in one pass over memory
// however many there are: a piece of the input stays in the nearest cache while the hinges go over it.
// theta holds a_0 ... a_(H-1), h_0 ... h_(H-1). The gradients of h are left at 0 unless they are learned.

constexpr index PIECE = 1024;

template <class T> struct Hinges {
    const T* theta;
    const T* signs;
    int count;
    bool learn_places;
};

template <class S, class T>
void hinges_forward(const S* x, S* y, const Hinges<T>& hinges, const Shape& shape, int threads) {
    const index C = shape.channels;
    const int H = hinges.count;
    for_tasks(shape, threads, [=](index first, index total, index c, index step, index) {
        T in[PIECE], out[PIECE];
        for (index start = 0; start < total; start += PIECE) {
            const index n = total - start < PIECE ? total - start : PIECE;
            for (index i = 0; i < n; ++i) in[i] = load(x[first + start + i]), out[i] = 0;
            for (int k = 0; k < H; ++k) {
                const T* a = hinges.theta + k * C + c + start * step;
                const T* h = a + H * C;
                const T a0 = clean(*a), h0 = clean(*h), s = hinges.signs[k];
                if (step == 0) {
#pragma omp simd
                    for (index i = 0; i < n; ++i) out[i] += a0 * positive(s * in[i] - h0);
                } else {
#pragma omp simd
                    for (index i = 0; i < n; ++i) out[i] += clean(a[i]) * positive(s * in[i] - clean(h[i]));
                }
            }
            for (index i = 0; i < n; ++i) store(y[first + start + i], out[i]);
        }
    });
}

template <class S, class T>
void hinges_backward(const S* x, const S* g, S* dx, const Hinges<T>& hinges, T* dtheta, const Shape& shape,
                     int threads) {
    const index C = shape.channels;
    const int H = hinges.count;
    const index width = shape.by_column ? C : 1;
    std::vector<T> sums(dtheta ? shape.tasks() * 2 * H * width : 0, T(0));
    T* const all = dtheta ? sums.data() : nullptr;
    for_tasks(shape, threads, [=](index first, index total, index c, index step, index task) {
        T in[PIECE], grad[PIECE], slope[PIECE];
        for (index start = 0; start < total; start += PIECE) {
            const index n = total - start < PIECE ? total - start : PIECE;
            for (index i = 0; i < n; ++i) {
                in[i] = load(x[first + start + i]), grad[i] = load(g[first + start + i]), slope[i] = 0;
            }
            for (int k = 0; k < H; ++k) {
                const T* a = hinges.theta + k * C + c + start * step;
                const T* h = a + H * C;
                const T a0 = clean(*a), h0 = clean(*h), s = hinges.signs[k], rise = a0 * s;
                if (!all && step == 0) {
#pragma omp simd
                    for (index i = 0; i < n; ++i) slope[i] += where(s * in[i] > h0, rise, T(0));
                } else if (!all) {
#pragma omp simd
                    for (index i = 0; i < n; ++i) slope[i] += where(s * in[i] > h[i], a[i] * s, T(0));
                } else if (step == 0) {
                    T* mine = all + task * 2 * H;
                    T sum_a = 0, sum_h = 0;
#pragma omp simd reduction(+ : sum_a)
                    for (index i = 0; i < n; ++i) {
                        const T m = s * in[i] - h0;
                        slope[i] += where(m > 0, rise, T(0));
                        sum_a += grad[i] * positive(m);
                    }
                    mine[k] += sum_a;
                    if (hinges.learn_places) {
#pragma omp simd reduction(+ : sum_h)
                        for (index i = 0; i < n; ++i) sum_h += where(s * in[i] > h0, grad[i], T(0));
                        mine[H + k] -= a0 * sum_h;
                    }
                } else {
                    T* __restrict da = all + (task * 2 * H + k) * width + start;
                    T* __restrict dh = da + H * width;
#pragma omp simd
                    for (index i = 0; i < n; ++i) {
                        const T m = s * in[i] - h[i];
                        slope[i] += where(m > 0, a[i] * s, T(0));
                        da[i] += grad[i] * positive(m);
                    }
                    if (hinges.learn_places) {
#pragma omp simd
                        for (index i = 0; i < n; ++i) dh[i] -= where(s * in[i] > h[i], a[i] * grad[i], T(0));
                    }
                }
            }
            for (index i = 0; i < n; ++i) store(dx[first + start + i], grad[i] * slope[i]);
        }
    });
    if (dtheta) add_up(shape, 2 * H, sums, dtheta);
}

}  // namespace fused

using namespace fused;

// What Python calls: name_dtype_direction.

#define OF_TYPE(NAME, SUFFIX, S, T)                                                                                  \
    extern "C" void NAME##_##SUFFIX##_forward(const S* x, S* y, const T* theta, const Shape* shape, int threads) {   \
        forward<fused::NAME<T>, S, T>(x, y, theta, *shape, threads);                                                        \
    }                                                                                                                \
    extern "C" void NAME##_##SUFFIX##_backward(const S* x, const S* g, S* dx, const T* theta, T* dtheta,             \
                                               const Shape* shape, int threads) {                                    \
        backward<fused::NAME<T>, S, T>(x, g, dx, theta, dtheta, *shape, threads);                                           \
    }
#define EXPORT(NAME) OF_TYPE(NAME, float32, float, float) OF_TYPE(NAME, bfloat16, bf16, float) \
    OF_TYPE(NAME, float64, double, double)

#define HINGES(SUFFIX, S, T)                                                                                         \
    extern "C" void hinges_##SUFFIX##_forward(const S* x, S* y, const T* theta, const T* signs, int count,           \
                                              bool learn_places, const Shape* shape, int threads) {                  \
        hinges_forward<S, T>(x, y, {theta, signs, count, learn_places}, *shape, threads);                            \
    }                                                                                                                \
    extern "C" void hinges_##SUFFIX##_backward(const S* x, const S* g, S* dx, const T* theta, const T* signs,        \
                                               int count, bool learn_places, T* dtheta, const Shape* shape,          \
                                               int threads) {                                                        \
        hinges_backward<S, T>(x, g, dx, {theta, signs, count, learn_places}, dtheta, *shape, threads);               \
    }
#define EXPORT_HINGES HINGES(float32, float, float) HINGES(bfloat16, bf16, float) HINGES(float64, double, double)

// EXPORT
