//! Where passes over batches are computed.

use dfdx::tensor::Cpu;

use super::batch::Batch;
use super::composed::{Composed, suits};
use super::error::NetworkError;
use super::model::Network;
use super::pass::Pass;

/// Where, and of which operations, passes over batches are computed. Decoding of draws and the optimiser stay on the
/// processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Device {
    /// The processor, with fused operations; the same bit for bit on any number of threads.
    #[default]
    Processor,
    /// The processor, with the operations that a GPU runs: slower, for comparison.
    Composed,
    /// The first GPU of NVIDIA's, with dfdx's kernels; sums are in no fixed order there, so last digits vary.
    Cuda,
}

impl Device {
    /// Those worth choosing, by name, with a line of help.
    pub const ALL: [(&'static str, Self, &'static str); 2] = [
        ("cpu", Self::Processor, "the processor"),
        ("cuda", Self::Cuda, "the first GPU of NVIDIA's; needs a build with `--features cuda`"),
    ];
}

/// A network's parameters on a device: a copy, where that is not the processor. The optimiser's parameters are the network's
/// own: each of its steps needs the gradients here (4 bytes a parameter) and [`Placement::update`] (4 more).
///
/// # Panics
///
/// dfdx panics where a GPU fails while results or gradients are copied from it.
///
/// ```
/// use unmask::network::{Device, EncoderConfig, Network, NetworkConfig, Placement};
/// let config = NetworkConfig { encoder: EncoderConfig::compact(9, 8, 0), language: true, decoder: None, head: None };
/// let network = Network::new(config, 1)?;
/// let placement = Placement::new(Device::Composed, &network)?;
/// # let mut batch = unmask::network::Batch::default();
/// # batch.push(&unmask::network::Sequence { tokens: vec![3], positions: vec![0], ..Default::default() });
/// assert_eq!(placement.evaluate(&network, &batch)?.encoded().len(), 128);
/// # Ok::<(), unmask::network::NetworkError>(())
/// ```
#[derive(Debug, Default)]
pub struct Placement(Place);

#[derive(Debug, Default)]
enum Place {
    #[default]
    Processor,
    Composed(Composed<Cpu>),
    #[cfg(feature = "cuda")]
    Cuda(Composed<dfdx::tensor::Cuda>),
}

impl Placement {
    /// Copies a network's parameters to a device.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Device`] where there is no such device in this build or on this machine, or no memory on it.
    pub fn new(device: Device, network: &Network) -> Result<Self, NetworkError> {
        Ok(Self(match device {
            Device::Processor => Place::Processor,
            Device::Composed => Place::Composed(Composed::new(Cpu::default(), network)?),
            Device::Cuda => cuda(network)?,
        }))
    }

    /// Copies the parameters that train once more: after each step of the optimiser.
    ///
    /// # Errors
    ///
    /// [`NetworkError::Device`] where the device fails.
    pub fn update(&mut self, network: &Network) -> Result<(), NetworkError> {
        match &mut self.0 {
            Place::Processor => Ok(()),
            Place::Composed(composed) => composed.update(network),
            #[cfg(feature = "cuda")]
            Place::Cuda(composed) => composed.update(network),
        }
    }

    /// A forward pass that gradients can be asked of. `network` is the one placed here.
    ///
    /// # Errors
    ///
    /// What [`Batch::validate`] finds; [`NetworkError::Device`] where the device fails.
    pub fn forward(&self, network: &Network, batch: &Batch) -> Result<Pass, NetworkError> {
        self.pass(network, batch, true)
    }

    /// A forward pass without gradients. `network` is the one placed here.
    ///
    /// # Errors
    ///
    /// As [`Placement::forward`].
    pub fn evaluate(&self, network: &Network, batch: &Batch) -> Result<Pass, NetworkError> {
        self.pass(network, batch, false)
    }

    /// A batch that composed operations cannot run is left to the fused ones.
    fn pass(&self, network: &Network, batch: &Batch, records: bool) -> Result<Pass, NetworkError> {
        batch.validate(network.config())?;
        match &self.0 {
            Place::Composed(composed) if suits(batch) => composed.pass(network, batch, records),
            #[cfg(feature = "cuda")]
            Place::Cuda(composed) if suits(batch) => composed.pass(network, batch, records),
            #[cfg(feature = "cuda")]
            Place::Cuda(_) => network.pass(batch, records),
            Place::Processor | Place::Composed(_) => network.pass(batch, records),
        }
    }
}

/// Whether there is a GPU is asked beforehand: where there is none, dfdx panics.
#[cfg(feature = "cuda")]
fn cuda(network: &Network) -> Result<Place, NetworkError> {
    use cudarc::driver::result;
    let failed =
        |error: &dyn std::fmt::Display| NetworkError::Device { reason: format!("no GPU can be used: {error}") };
    result::init().and_then(|()| result::device::get(0)).map_err(|error| failed(&error))?;
    let device = dfdx::tensor::Cuda::try_build(0, 0).map_err(|error| failed(&error))?;
    Ok(Place::Cuda(Composed::new(device, network)?))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_: &Network) -> Result<Place, NetworkError> {
    let reason = "this build has no CUDA; build it with `--features cuda` (see `benches/cuda.sh`)";
    Err(NetworkError::Device { reason: reason.to_owned() })
}
