//! How alike two pictures are.

use eyeline_media::frame::I420Buffer;

/// Structural similarity of the luma: mean over 8 x 8 blocks (Wang et al. 2004, without the Gaussian window).
pub(crate) fn ssim(a: &I420Buffer, b: &I420Buffer) -> f64 {
    let (width, height) = (a.width() as usize, a.height() as usize);
    assert_eq!((width, height), (b.width() as usize, b.height() as usize));
    let (a, b) = (a.planes().0, b.planes().0);
    let (c1, c2) = ((0.01 * 255.0_f64).powi(2), (0.03 * 255.0_f64).powi(2));
    let mut total = 0.0;
    for top in (0..height - 7).step_by(8) {
        for left in (0..width - 7).step_by(8) {
            let [mut sa, mut sb, mut saa, mut sbb, mut sab] = [0_u32; 5];
            for line in top..top + 8 {
                let at = line * width + left;
                for (&x, &y) in a[at..at + 8].iter().zip(&b[at..at + 8]) {
                    let (x, y) = (u32::from(x), u32::from(y));
                    (sa, sb, saa, sbb, sab) = (sa + x, sb + y, saa + x * x, sbb + y * y, sab + x * y);
                }
            }
            let [ma, mb, saa, sbb, sab] = [sa, sb, saa, sbb, sab].map(|sum| f64::from(sum) / 64.0);
            let (va, vb, cov) = (saa - ma * ma, sbb - mb * mb, sab - ma * mb);
            total += (2.0 * ma * mb + c1) * (2.0 * cov + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
        }
    }
    total / ((width / 8) * (height / 8)) as f64
}
