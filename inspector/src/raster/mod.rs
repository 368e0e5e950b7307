//! What egui draws, as pixels, without any display: textured triangles, clipped and blended as a graphics card does it.
//!
//! Blending is that of egui's own renderers: premultiplied alpha, in gamma space.

use std::collections::HashMap;

use egui::epaint::{ClippedPrimitive, ImageDelta, Mesh, Primitive, Vertex};
use egui::{Color32, ImageData, Rect, TextureFilter, TextureId, TexturesDelta};

/// A picture: rows of pixels from above, each four bytes of red, green, blue and alpha.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// The pixels.
    pub rgba: Vec<u8>,
}

/// Textures, as egui hands them over.
#[derive(Default)]
pub struct Raster {
    textures: HashMap<TextureId, Texture>,
}

struct Texture {
    width: usize,
    height: usize,
    pixels: Vec<Color32>,
    linear: bool,
}

impl Raster {
    /// Takes over new and changed textures, and lets go of those that are no longer needed.
    pub fn update(&mut self, delta: &mut TexturesDelta) {
        for (id, images) in delta.set.drain() {
            for image in &images {
                self.set(id, image);
            }
        }
        for id in delta.free.drain() {
            self.textures.remove(&id);
        }
    }

    fn set(&mut self, id: TextureId, delta: &ImageDelta) {
        let ImageData::Color(image) = &delta.image;
        let [width, height] = image.size;
        let linear = delta.options.magnification == TextureFilter::Linear;
        match (delta.pos, self.textures.get_mut(&id)) {
            (Some([x, y]), Some(texture)) => {
                for row in 0..height.min(texture.height.saturating_sub(y)) {
                    let wide = width.min(texture.width.saturating_sub(x));
                    let to = (y + row) * texture.width + x;
                    texture.pixels[to..to + wide].copy_from_slice(&image.pixels[row * width..row * width + wide]);
                }
            }
            (Some(_), None) => {}
            (None, _) => {
                self.textures.insert(id, Texture { width, height, pixels: image.pixels.clone(), linear });
            }
        }
    }

    /// Draws on a ground of one colour. `scale` is pixels per point.
    pub fn draw(&self, size: [usize; 2], scale: f32, ground: Color32, primitives: &[ClippedPrimitive]) -> Picture {
        let [width, height] = size;
        let mut canvas = Canvas { width, height, pixels: vec![ground; width * height] };
        for primitive in primitives {
            if let Primitive::Mesh(mesh) = &primitive.primitive
                && let Some(texture) = self.textures.get(&mesh.texture_id)
            {
                canvas.mesh(mesh, texture, primitive.clip_rect, scale);
            }
        }
        let rgba = canvas.pixels.iter().flat_map(|c| c.to_array()).collect();
        Picture { width, height, rgba }
    }
}

struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Color32>,
}

/// The pixels that may be drawn on: half-open.
#[derive(Clone, Copy)]
struct Clip {
    x: (i32, i32),
    y: (i32, i32),
}

impl Canvas {
    fn mesh(&mut self, mesh: &Mesh, texture: &Texture, clip: Rect, scale: f32) {
        let pixel = |v: f32, most: usize| ((v * scale).round().max(0.0) as i32).min(most as i32);
        let clip = Clip {
            x: (pixel(clip.left(), self.width), pixel(clip.right(), self.width)),
            y: (pixel(clip.top(), self.height), pixel(clip.bottom(), self.height)),
        };
        for corners in mesh.indices.chunks_exact(3) {
            let corner = |i: usize| mesh.vertices.get(corners[i] as usize);
            if let (Some(a), Some(b), Some(c)) = (corner(0), corner(1), corner(2)) {
                self.triangle([a, b, c], texture, clip, scale);
            }
        }
    }

    /// Fills the pixels whose middle lies in a triangle; of two triangles with a common edge one has the pixels on it
    /// (the top-left rule).
    fn triangle(&mut self, corners: [&Vertex; 3], texture: &Texture, clip: Clip, scale: f32) {
        let p = corners.map(|v| [f64::from(v.pos.x * scale), f64::from(v.pos.y * scale)]);
        if p.iter().flatten().any(|v| !v.is_finite()) {
            return;
        }
        let area = cross(p[0], p[1], p[2]);
        if area == 0.0 {
            return;
        }
        // One way round for all, so that the rule for edges is the same.
        let (p, corners) =
            if area < 0.0 { ([p[0], p[2], p[1]], [corners[0], corners[2], corners[1]]) } else { (p, corners) };
        let area = area.abs();
        let low = |axis: usize| p.iter().map(|v| v[axis]).fold(f64::INFINITY, f64::min);
        let high = |axis: usize| p.iter().map(|v| v[axis]).fold(f64::NEG_INFINITY, f64::max);
        let first = |v: f64, edge: i32| ((v - 0.5).ceil().max(f64::from(edge)).min(1e9) as i32).max(edge);
        let last = |v: f64, edge: i32| ((v - 0.5).floor().min(f64::from(edge - 1)).max(-1e9) as i32) + 1;
        let (x0, x1) = (first(low(0), clip.x.0), last(high(0), clip.x.1));
        let (y0, y1) = (first(low(1), clip.y.0), last(high(1), clip.y.1));
        let includes = [includes_edge(p[1], p[2]), includes_edge(p[2], p[0]), includes_edge(p[0], p[1])];
        for y in y0..y1 {
            for x in x0..x1 {
                let at = [f64::from(x) + 0.5, f64::from(y) + 0.5];
                let w = [cross(p[1], p[2], at), cross(p[2], p[0], at), cross(p[0], p[1], at)];
                if (0..3).any(|i| w[i] < 0.0 || (w[i] == 0.0 && !includes[i])) {
                    continue;
                }
                let w = w.map(|w| (w / area) as f32);
                let color = shade(corners, w, texture);
                let place = &mut self.pixels[y as usize * self.width + x as usize];
                *place = over(color, *place);
            }
        }
    }
}

/// Returns twice the area of a triangle, positive when it is clockwise on the screen.
fn cross(a: [f64; 2], b: [f64; 2], c: [f64; 2]) -> f64 {
    (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
}

/// Returns whether pixels on an edge belong to the triangle: on a top or a left edge.
fn includes_edge(a: [f64; 2], b: [f64; 2]) -> bool {
    (a[1] == b[1] && b[0] > a[0]) || b[1] < a[1]
}

/// Returns the colour of a point: that between the corners, times the texture's.
fn shade(corners: [&Vertex; 3], w: [f32; 3], texture: &Texture) -> [f32; 4] {
    let mix = |value: fn(&Vertex) -> f32| corners.iter().zip(w).map(|(v, w)| value(v) * w).sum::<f32>();
    let (u, v) = (mix(|v| v.uv.x), mix(|v| v.uv.y));
    let texel = texture.at(u, v);
    let color = if corners[0].color == corners[1].color && corners[1].color == corners[2].color {
        corners[0].color.to_array().map(f32::from)
    } else {
        [
            mix(|v| v.color.r().into()),
            mix(|v| v.color.g().into()),
            mix(|v| v.color.b().into()),
            mix(|v| v.color.a().into()),
        ]
    };
    std::array::from_fn(|i| color[i] * texel[i] / 255.0)
}

/// Lays a colour over another one; both premultiplied.
fn over(top: [f32; 4], below: Color32) -> Color32 {
    if top[3] <= 0.0 && top[0] <= 0.0 && top[1] <= 0.0 && top[2] <= 0.0 {
        return below;
    }
    let below = below.to_array();
    let share = 1.0 - top[3] / 255.0;
    let part = |i: usize| (top[i] + f32::from(below[i]) * share + 0.5).clamp(0.0, 255.0) as u8;
    Color32::from_rgba_premultiplied(part(0), part(1), part(2), part(3))
}

impl Texture {
    fn at(&self, u: f32, v: f32) -> [f32; 4] {
        let texel = |x: i64, y: i64| {
            let x = x.clamp(0, self.width as i64 - 1) as usize;
            let y = y.clamp(0, self.height as i64 - 1) as usize;
            self.pixels.get(y * self.width + x).copied().unwrap_or_default().to_array().map(f32::from)
        };
        let (x, y) = (u * self.width as f32, v * self.height as f32);
        if !self.linear {
            return texel(x.floor() as i64, y.floor() as i64);
        }
        let (x, y) = (x - 0.5, y - 0.5);
        let (fx, fy) = (x - x.floor(), y - y.floor());
        let (x, y) = (x.floor() as i64, y.floor() as i64);
        if fx == 0.0 && fy == 0.0 {
            return texel(x, y);
        }
        let (a, b, c, d) = (texel(x, y), texel(x + 1, y), texel(x, y + 1), texel(x + 1, y + 1));
        std::array::from_fn(|i| (a[i] * (1.0 - fx) + b[i] * fx) * (1.0 - fy) + (c[i] * (1.0 - fx) + d[i] * fx) * fy)
    }
}
