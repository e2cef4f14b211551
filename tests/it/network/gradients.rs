//! Gradients against finite differences, and freezing.

use super::{Norm, batch, config, loss, loss_and_gradients, network, sequences};

/// Every parameter, two elements of it, by central differences.
#[test]
fn gradients_are_slopes_of_the_loss() {
    for norm in [Norm::Pre, Norm::Post] {
        let config = config(norm);
        let mut network = network(config.clone(), 3);
        let batch = batch(&sequences(&config, &[5, 9, 2, 7], 1));
        let (_, gradients) = loss_and_gradients(&network, &batch);
        let names: Vec<String> = network.names().map(str::to_owned).collect();
        for (name, gradient) in names.iter().zip(gradients.iter()) {
            let values = network.parameter(name).unwrap().values;
            // The largest slope, and one more.
            let largest = (0..values.len()).max_by(|&a, &b| gradient[a].abs().total_cmp(&gradient[b].abs())).unwrap();
            for at in [largest, values.len() / 2] {
                let step = 4e-3_f32;
                let mut losses = [0.0; 2];
                for (side, sign) in [1.0_f32, -1.0].into_iter().enumerate() {
                    let mut moved = values.clone();
                    moved[at] += sign * step;
                    network.set_parameter(name, &moved).unwrap();
                    losses[side] = loss(&network.evaluate(&batch).unwrap()).0;
                }
                network.set_parameter(name, &values).unwrap();
                let slope = (losses[0] - losses[1]) / (2.0 * f64::from(step));
                let found = f64::from(gradient[at]);
                let tolerance = 0.02 * (1.0 + slope.abs());
                assert!((slope - found).abs() < tolerance, "{norm:?} {name}[{at}]: {found} is not {slope}");
            }
        }
    }
}

#[test]
fn frozen_parameters_have_no_gradient_and_change_no_other() {
    let config = config(Norm::Post);
    let mut network = network(config.clone(), 3);
    let batch = batch(&sequences(&config, &[5, 9], 1));
    let (_, all) = loss_and_gradients(&network, &batch);
    network.train_layers(Some(1));
    let (_, top) = loss_and_gradients(&network, &batch);
    for ((name, all), top) in network.names().zip(all.iter()).zip(top.iter()) {
        let embedding = name.starts_with("encoder.") && !name.contains("layer.1");
        assert_eq!(top.is_empty(), embedding, "{name}");
        if !embedding {
            assert_eq!(top, all, "{name}");
        }
    }
}
